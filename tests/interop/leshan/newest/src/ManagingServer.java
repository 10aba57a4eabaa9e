import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;

import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.CancelCompositeObservationRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.CancelCompositeObservationResponse;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.WriteResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;

/**
 * A server on Leshan's newest library, for composite operations: Californium asks for the blocks of
 * an answer without repeating the paths. Argument: the UDP port on loopback.
 *
 * It obeys the lines "read FORMAT ENDPOINT PATH...", "observe FORMAT ENDPOINT PATH...",
 * "cancel ENDPOINT" and "write ENDPOINT PATH INTEGER", where FORMAT is JSON or CBOR, and prints one
 * line for each thing that happens: "registered ENDPOINT", "read CODE VALUES", "observed CODE VALUES",
 * "notified VALUES", "cancelled CODE", "written CODE". VALUES are "/path=value" in the order of the paths, with blanks as "_".
 */
public class ManagingServer {

    static final long TIMEOUT_MS = 60_000;

    static CompositeObservation observation;

    static synchronized void say(String text) {
        System.out.println(text);
        System.out.flush();
    }

    static void put(Map<String, String> values, LwM2mPath path, LwM2mNode node) {
        if (node instanceof LwM2mObject) {
            for (LwM2mObjectInstance instance : ((LwM2mObject) node).getInstances().values()) {
                put(values, path.append(instance.getId()), instance);
            }
        } else if (node instanceof LwM2mObjectInstance) {
            for (LwM2mResource resource : ((LwM2mObjectInstance) node).getResources().values()) {
                put(values, path.append(resource.getId()), resource);
            }
        } else if (node instanceof LwM2mMultipleResource) {
            for (LwM2mResourceInstance item : ((LwM2mMultipleResource) node).getInstances().values()) {
                put(values, path.append(item.getId()), item);
            }
        } else if (node instanceof LwM2mResource) {
            values.put(path.toString(), String.valueOf(((LwM2mResource) node).getValue()));
        } else if (node instanceof LwM2mResourceInstance) {
            values.put(path.toString(), String.valueOf(((LwM2mResourceInstance) node).getValue()));
        }
    }

    static String spell(Map<LwM2mPath, LwM2mNode> content) {
        Map<String, String> values = new TreeMap<>();
        if (content != null) {
            content.forEach((path, node) -> put(values, path, node));
        }
        List<String> words = new ArrayList<>();
        values.forEach((path, value) -> words.add(path + "=" + value.replaceAll("\\s", "_")));
        return String.join(" ", words);
    }

    public static void main(String[] args) throws Exception {
        List<ObjectModel> models = ObjectLoader.loadAllDefault();
        models.addAll(ObjectLoader.loadObjectsFromDir(new java.io.File(args[1]), true));

        CaliforniumServerEndpointsProvider.Builder endpoints = new CaliforniumServerEndpointsProvider.Builder(
                new CoapServerProtocolProvider());
        endpoints.addEndpoint(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[0])), Protocol.COAP);
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setObjectModelProvider(new VersionedModelProvider(models));
        builder.setEndpointsProviders(endpoints.build());
        LeshanServer server = builder.build();

        server.getRegistrationService().addListener(new RegistrationListener() {
            @Override
            public void registered(Registration registration, Registration before, Collection<Observation> old) {
                say("registered " + registration.getEndpoint());
            }

            @Override
            public void updated(RegistrationUpdate update, Registration now, Registration before) {
                say("updated " + now.getEndpoint());
            }

            @Override
            public void unregistered(Registration registration, Collection<Observation> observations,
                    boolean expired, Registration now) {
                say("unregistered " + registration.getEndpoint());
            }
        });
        server.getObservationService().addListener(new ObservationListener() {
            @Override
            public void newObservation(Observation observation, Registration registration) {
            }

            @Override
            public void cancelled(Observation observation) {
            }

            @Override
            public void onResponse(SingleObservation observation, Registration registration,
                    ObserveResponse response) {
            }

            @Override
            public void onResponse(CompositeObservation observation, Registration registration,
                    ObserveCompositeResponse response) {
                say("notified " + spell(response.getContent()));
            }

            @Override
            public void onError(Observation observation, Registration registration, Exception error) {
                say("error " + error);
            }
        });
        server.start();
        say("ready");

        try (Scanner input = new Scanner(System.in, StandardCharsets.UTF_8)) {
            while (input.hasNextLine()) {
                String[] words = input.nextLine().split(" ");
                try {
                    obey(server, words);
                } catch (Exception problem) {
                    say("failed " + problem);
                }
            }
        }
        server.destroy();
        System.exit(0);
    }

    static WriteRequest write(LwM2mPath path, long value) {
        return new WriteRequest(ContentFormat.TLV, path.getObjectId(), path.getObjectInstanceId(),
                path.getResourceId(), value);
    }

    static void obey(LeshanServer server, String[] words) throws Exception {
        if (words[0].equals("cancel")) {
            CancelCompositeObservationResponse response = server.send(
                    server.getRegistrationService().getByEndpoint(words[1]),
                    new CancelCompositeObservationRequest(observation), TIMEOUT_MS);
            say("cancelled " + (response == null ? "timeout" : response.getCode()));
            return;
        }
        if (words[0].equals("write")) {
            WriteResponse response = server.send(server.getRegistrationService().getByEndpoint(words[1]),
                    write(new LwM2mPath(words[2]), Long.parseLong(words[3])), TIMEOUT_MS);
            say("written " + (response == null ? "timeout" : response.getCode()));
            return;
        }
        Registration registration = server.getRegistrationService().getByEndpoint(words[2]);
        boolean json = words[1].equals("JSON");
        ContentFormat paths = json ? ContentFormat.SENML_JSON : ContentFormat.SENML_CBOR;
        String[] wanted = Arrays.copyOfRange(words, 3, words.length);
        if (words[0].equals("read")) {
            ReadCompositeResponse response = server.send(registration,
                    new ReadCompositeRequest(paths, paths, wanted), TIMEOUT_MS);
            say(response == null ? "read timeout" : "read " + response.getCode() + " " + spell(response.getContent()));
        } else {
            ObserveCompositeResponse response = server.send(registration,
                    new ObserveCompositeRequest(paths, paths, wanted), TIMEOUT_MS);
            if (response == null) {
                say("observed timeout");
            } else {
                observation = response.getObservation();
                say("observed " + response.getCode() + " " + spell(response.getContent()));
            }
        }
    }
}
