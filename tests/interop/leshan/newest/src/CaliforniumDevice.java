import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Scanner;
import java.util.concurrent.TimeUnit;

import org.eclipse.californium.core.CoapExchange;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.CoAP.Type;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.Resource;
import org.eclipse.californium.elements.config.Configuration;

/**
 * A device on Californium alone, whose blocks and observations are Californium's own. Arguments: the port of the
 * server on loopback, our port, the size of a block, and the largest body that is taken.
 *
 * It has /3303/0/5700 and /26241/0/0, a text that is observed; /26241/0/5, bytes that are kept; /26241/0/12, which
 * counts; and answers a FETCH of its root. It obeys "ask METHOD URI FORMAT LENGTH-OR-TEXT [NON]", "set LENGTH-OR-TEXT [CON]", "slow MS",
 * "reject COUNT" (with RST), "answer CODE" (the next request gets it), "observers", and prints a line for each thing
 * that happens: "obeyed", "answer CODE LOCATION", "counted N", "fetched LENGTH", "stored LENGTH", "observers N".
 */
public class CaliforniumDevice {

    static volatile byte[] text = "21.5".getBytes(StandardCharsets.US_ASCII);
    static volatile byte[] stored = new byte[0];
    static volatile long slowMs;
    static volatile int reject;
    static volatile String forced;
    static int count;
    static int fetched;

    static synchronized void say(String text) {
        System.out.println(text);
        System.out.flush();
    }

    /** The bytes that the tests make up, too; or a text. */
    static byte[] body(String word) {
        if (!word.matches("[0-9]+")) {
            return word.replace('~', ' ').getBytes(StandardCharsets.UTF_8);
        }
        byte[] made = new byte[Integer.parseInt(word)];
        for (int at = 0; at < made.length; at++) {
            made[at] = (byte) (at * 7 + (at >> 8));
        }
        return made;
    }

    /** True when the request is dealt with. */
    static boolean disturbed(CoapExchange exchange) {
        if (slowMs > 0) {
            exchange.accept();
            try {
                Thread.sleep(slowMs);
            } catch (InterruptedException end) {
                Thread.currentThread().interrupt();
            }
        }
        if (reject > 0) {
            reject--;
            exchange.reject();
            return true;
        }
        String code = forced;
        if (code != null) {
            forced = null;
            exchange.respond(ResponseCode.valueOf(code));
            return true;
        }
        return false;
    }

    static class Text extends CoapResource {
        Text(String name) {
            super(name);
            setObservable(true);
            setObserveType(Type.NON);
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            if (!disturbed(exchange)) {
                exchange.respond(ResponseCode.CONTENT, text, 0);
            }
        }
    }

    static class Store extends CoapResource {
        Store() {
            super("5");
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            if (!disturbed(exchange)) {
                exchange.respond(ResponseCode.CONTENT, stored, 42);
            }
        }

        @Override
        public void handlePUT(CoapExchange exchange) {
            if (!disturbed(exchange)) {
                stored = exchange.getRequestPayload();
                say("stored " + stored.length);
                exchange.respond(ResponseCode.CHANGED);
            }
        }
    }

    static class Counter extends CoapResource {
        Counter() {
            super("12");
        }

        @Override
        public void handlePOST(CoapExchange exchange) {
            say("counted " + ++count);
            if (!disturbed(exchange)) {
                exchange.respond(ResponseCode.CHANGED);
            }
        }
    }

    static class Root extends CoapResource {
        Root() {
            super("");
        }

        @Override
        public void handleFETCH(CoapExchange exchange) {
            say("fetched " + exchange.getRequestPayload().length);
            StringBuilder pack = new StringBuilder("[{\"bn\":\"/26241/0/8/\",\"n\":\"0\",\"vs\":\"text number 0\"}");
            for (int at = 1; at < 100; at++) {
                pack.append(",{\"n\":\"" + at + "\",\"vs\":\"text number " + at + "\"}");
            }
            exchange.respond(ResponseCode.CONTENT, pack.append("]").toString(), 110);
        }
    }

    static CoapResource tree(String name, CoapResource... children) {
        CoapResource made = new CoapResource(name);
        made.add(children);
        return made;
    }

    public static void main(String[] args) throws Exception {
        CoapConfig.register();
        Configuration config = new Configuration();
        int size = Integer.parseInt(args[2]);
        config.set(CoapConfig.PREFERRED_BLOCK_SIZE, size);
        config.set(CoapConfig.MAX_MESSAGE_SIZE, size);
        config.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, Integer.parseInt(args[3]));
        config.set(CoapConfig.ACK_TIMEOUT, 200, TimeUnit.MILLISECONDS);
        Text observed = new Text("5700");
        Text second = new Text("0");
        CoapServer server = new CoapServer(config) {
            @Override
            protected Resource createRoot() {
                return new Root();
            }
        };
        server.add(tree("3303", tree("0", observed)), tree("26241", tree("0", second, new Store(), new Counter())));
        CoapEndpoint endpoint = CoapEndpoint.builder().setConfiguration(config)
                .setInetSocketAddress(
                        new InetSocketAddress(InetAddress.getByName("127.0.0.1"), Integer.parseInt(args[1])))
                .build();
        server.addEndpoint(endpoint);
        server.start();
        say("ready");
        try (Scanner input = new Scanner(System.in, StandardCharsets.UTF_8)) {
            while (input.hasNextLine()) {
                String[] words = input.nextLine().split(" ");
                switch (words[0]) {
                case "ask":
                    ask(endpoint, "coap://127.0.0.1:" + args[0], Arrays.copyOfRange(words, 1, words.length));
                    break;
                case "set":
                    text = body(words[1]);
                    for (Text each : new Text[] { observed, second }) {
                        each.setObserveType(words.length > 2 ? Type.CON : Type.NON);
                        each.changed();
                    }
                    break;
                case "slow":
                    slowMs = Long.parseLong(words[1]);
                    break;
                case "reject":
                    reject = Integer.parseInt(words[1]);
                    break;
                case "answer":
                    forced = words[1];
                    break;
                default:
                    say("observers " + observed.getObserverCount());
                }
                say("obeyed");
            }
        }
        server.destroy();
        System.exit(0);
    }

    static void ask(CoapEndpoint endpoint, String server, String[] words) throws Exception {
        Request request = new Request(Code.valueOf(words[0]), words.length > 4 ? Type.NON : Type.CON);
        request.setURI(server + words[1]);
        int format = Integer.parseInt(words[2]);
        if (format >= 0) {
            request.getOptions().setContentFormat(format);
            request.setPayload(body(words[3]));
        }
        request.send(endpoint);
        Response response = request.waitForResponse(60_000);
        say(response == null ? "answer none"
                : "answer " + response.getCode().name() + " /" + response.getOptions().getLocationPathString());
    }
}
