import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Scanner;

import org.eclipse.leshan.client.californium.LeshanClient;
import org.eclipse.leshan.client.californium.LeshanClientBuilder;
import org.eclipse.leshan.client.object.Device;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.ServerIdentity;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.util.datatype.ULong;

/**
 * A device on Leshan's client library: objects 1, 3, 6, 3303 and our 26241, with values that the
 * tests know. Arguments: server URI, endpoint, lifetime in seconds, folder of definitions.
 * It prints what happens to it; the lines "update", "set VALUE" and "send FORMAT PATH...", and the
 * end of its input, at which it de-registers, are what it obeys.
 */
public class InteropClient {

    /** An instance that takes every write, and says what it is told to execute. */
    public static class Sample extends SimpleInstanceEnabler {
        public Sample() {
        }

        public Sample(int id, Object... values) {
            super(id, values);
        }

        @Override
        public ExecuteResponse execute(ServerIdentity server, int rid, String arguments) {
            say("executed /" + getModel().id + "/" + getId() + "/" + rid + " " + arguments);
            return ExecuteResponse.success();
        }
    }

    /** A thermometer that can be set. */
    public static class Thermometer extends Sample {
        public Thermometer() {
        }

        public Thermometer(int id, Object... values) {
            super(id, values);
        }

        void set(double value) {
            write(ServerIdentity.SYSTEM, true, 5700,
                    LwM2mSingleResource.newFloatResource(5700, value));
        }
    }

    static synchronized void say(String text) {
        System.out.println(text);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        String uri = args[0];
        String endpoint = args[1];
        long lifetime = Long.parseLong(args[2]);

        List<ObjectModel> models = ObjectLoader.loadDefault();
        models.addAll(ObjectLoader.loadDdfResources("/models", new String[] { "3303.xml" }));
        models.addAll(ObjectLoader.loadObjectsFromDir(new File(args[3]), true));

        Thermometer thermometer = new Thermometer(0, 5700, 21.5, 5601, 18.25, 5602, 23.75, 5701, "Cel");
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(models));
        objects.setInstancesForObject(LwM2mId.SECURITY, Security.noSec(uri, 123));
        objects.setInstancesForObject(LwM2mId.SERVER, new Server(123, lifetime));
        objects.setInstancesForObject(LwM2mId.DEVICE,
                new Device("Eclipse Leshan", "interop", "4711", EnumSet.of(BindingMode.U)));
        objects.setInstancesForObject(LwM2mId.LOCATION,
                new Sample(0, 0, 52.52, 1, 13.405, 5, new Date(1700000000000L)));
        objects.setInstancesForObject(3303, thermometer);
        objects.setInstancesForObject(26241,
                new Sample(0, 0, "grüß Gott", 1, -9007199254740993L, 2, ULong.valueOf("18446744073709551615"),
                        3, 0.1, 4, true, 5, new byte[] { 0, 1, (byte) 0xfe, (byte) 0xff },
                        6, new Date(1893456000000L), 7, new ObjectLink(3303, 0),
                        8, Map.of(0, "zero", 300, "three hundred"), 9, Map.of(0, -1L, 1, 70000L),
                        10, "read only"));

        LeshanClientBuilder builder = new LeshanClientBuilder(endpoint);
        builder.setLocalAddress("127.0.0.1", 0);
        builder.setObjects(objects.createAll());
        LeshanClient client = builder.build();
        client.addObserver(new LwM2mClientObserverAdapter() {
            @Override
            public void onRegistrationSuccess(ServerIdentity server, RegisterRequest request, String id) {
                say("registered " + id);
            }

            @Override
            public void onUpdateSuccess(ServerIdentity server, UpdateRequest request) {
                say("updated");
            }

            @Override
            public void onDeregistrationSuccess(ServerIdentity server, DeregisterRequest request) {
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
                    thermometer.set(Double.parseDouble(words[1]));
                    say("set to " + words[1]);
                } else if (words[0].equals("send")) {
                    ServerIdentity server = client.getRegisteredServers().values().iterator().next();
                    List<String> paths = Arrays.asList(words).subList(2, words.length);
                    ContentFormat format = ContentFormat.fromName(words[1]);
                    say("sent " + words[1] + " " + client.sendData(server, format, paths, 5000).getCode());
                }
            }
        }
        client.destroy(true);
        say("stopped");
        System.exit(0);
    }
}
