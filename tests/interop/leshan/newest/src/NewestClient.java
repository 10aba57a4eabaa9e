import java.io.File;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;

import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.object.Device;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;

/**
 * A device on Leshan's newest client library: objects 1, 3, and 26241 with 150 instances, whose links take several
 * blocks; the first has a hundred texts. Arguments: server URI, endpoint, lifetime in seconds, folder of
 * definitions. It prints what happens to it; the lines "update", "set TEXT" (of /26241/0/0), "send FORMAT PATH...", and
 * the end of its input, at which it de-registers, are what it obeys.
 */
public class NewestClient {

    /** Object 26241, which says what it is told to execute. */
    public static class Sample extends SimpleInstanceEnabler {
        public Sample() {
        }

        public Sample(int id, Object... values) {
            super(id, values);
        }

        void set(String text) {
            write(LwM2mServer.SYSTEM, true, 0, LwM2mSingleResource.newStringResource(0, text));
        }

        @Override
        public ExecuteResponse execute(LwM2mServer server, int rid, Arguments arguments) {
            say("executed " + rid);
            return ExecuteResponse.success();
        }
    }

    static synchronized void say(String text) {
        System.out.println(text);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        List<ObjectModel> models = ObjectLoader.loadAllDefault();
        models.addAll(ObjectLoader.loadObjectsFromDir(new File(args[3]), true));

        Map<Integer, Object> texts = new TreeMap<>();
        LwM2mInstanceEnabler[] samples = new LwM2mInstanceEnabler[150];
        for (int at = 0; at < samples.length; at++) {
            samples[at] = new Sample(at, 0, "instance", 1, 20L + at);
            if (at < 100) {
                texts.put(at, "text number " + at);
            }
        }
        Sample sample = new Sample(0, 0, "first", 1, 20L, 5, new byte[] { 1 }, 8, texts);
        samples[0] = sample;
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(models));
        objects.setInstancesForObject(LwM2mId.SECURITY, Security.noSec(args[0], 123));
        objects.setInstancesForObject(LwM2mId.SERVER, new Server(123, Long.parseLong(args[2])));
        objects.setInstancesForObject(LwM2mId.DEVICE,
                new Device("Eclipse Leshan", "newest", "4711", EnumSet.of(BindingMode.U)));
        objects.setInstancesForObject(26241, samples);

        LeshanClientBuilder builder = new LeshanClientBuilder(args[1]);
        builder.setObjects(objects.createAll());
        builder.setEndpointsProviders(
                new CaliforniumClientEndpointsProvider.Builder(new CoapClientProtocolProvider())
                        .setClientAddress(InetAddress.getByName("127.0.0.1")).build());
        LeshanClient client = builder.build();
        client.addObserver(new LwM2mClientObserverAdapter() {
            @Override
            public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String id) {
                say("registered " + id);
            }

            @Override
            public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
                say("updated");
            }

            @Override
            public void onDeregistrationSuccess(LwM2mServer server, DeregisterRequest request) {
                say("deregistered");
            }

            @Override
            public void onUnexpectedError(Throwable error) {
                say("unexpected " + error);
            }
        });
        client.start();

        try (Scanner input = new Scanner(System.in, StandardCharsets.UTF_8)) {
            while (input.hasNextLine()) {
                String[] words = input.nextLine().split(" ");
                if (words[0].equals("update")) {
                    client.triggerRegistrationUpdate();
                } else if (words[0].equals("set")) {
                    sample.set(words[1]);
                    say("set to " + words[1]);
                } else if (words[0].equals("send")) {
                    LwM2mServer server = client.getRegisteredServers().values().iterator().next();
                    List<String> paths = Arrays.asList(words).subList(2, words.length);
                    ContentFormat format = words[1].equals("JSON") ? ContentFormat.SENML_JSON
                            : ContentFormat.SENML_CBOR;
                    say("sent " + words[1] + " "
                            + client.getSendService().sendData(server, format, paths, 60_000).getCode());
                }
            }
        }
        client.destroy(true);
        say("stopped");
        System.exit(0);
    }
}
