import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command line tools one after another in one process, since most of a tool's time is the start of its virtual
 * machine. Standard input: the class, the arguments and a closing empty line for each. Standard output: for each a line
 * "#### EXIT-CODE" and what it wrote.
 */
public class Tools {
    /** Ends a tool. Some catch it and exit once more, so the first code is the one that counts. */
    static class Ended extends RuntimeException { }

    static Integer first;

    static void exit(int code) {
        if (first == null) first = code;
        throw new Ended();
    }

    public static void main(String[] none) throws Exception {
        Exit.setExitProcedure((code, message) -> exit(code));
        Exit.setHaltProcedure((code, message) -> exit(code));
        PrintStream out = System.out, err = System.err;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        List<String> command = new ArrayList<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (!line.isEmpty()) {
                command.add(line);
                continue;
            }
            ByteArrayOutputStream written = new ByteArrayOutputStream();
            PrintStream to = new PrintStream(written, true);
            System.setOut(to);
            System.setErr(to);
            int code = run(command.get(0), command.subList(1, command.size()).toArray(new String[0]), to);
            System.setOut(out);
            System.setErr(err);
            out.println("#### " + code);
            out.println(written.toString(StandardCharsets.UTF_8));
            command.clear();
        }
    }

    static int run(String name, String[] args, PrintStream to) {
        first = null;
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (java.lang.reflect.InvocationTargetException e) {
            if (first == null) {
                e.getCause().printStackTrace(to);
                return 99;
            }
        } catch (ReflectiveOperationException e) {
            e.printStackTrace(to);
            return 99;
        }
        return first == null ? 0 : first;
    }
}
