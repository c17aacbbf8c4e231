// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Bouncy Castle's FPEFF1Engine with its key in memory, measured on demand; one line of stdin, one of stdout:
//
//   key HEX TWEAK_HEX                  answers "ok"
//   check RADIX NUMERAL,NUMERAL,...    the ciphertext, in the same form
//   time RADIX LENGTH MS               nanoseconds a value, in CPU time of this thread
//
// The engine is set up once for each radix and used again for every value, as its API wants it to be used: it has
// no call for a batch.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bouncycastle.crypto.fpe.FPEFF1Engine;
import org.bouncycastle.crypto.params.FPEParameters;
import org.bouncycastle.crypto.params.KeyParameter;

public final class Peer {
    private static final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    private static final double WARM_MS = 1500; // the compiler is done with the loop by then

    private final KeyParameter key;
    private final byte[] tweak;
    private int warmRadix, warmLength;

    private Peer(String key, String tweak) {
        this.key = new KeyParameter(HexFormat.of().parseHex(key));
        this.tweak = HexFormat.of().parseHex(tweak);
    }

    private FPEFF1Engine engine(int radix) {
        FPEFF1Engine engine = new FPEFF1Engine();
        engine.init(true, new FPEParameters(key, radix, tweak));
        return engine;
    }

    private String check(int radix, String numerals) {
        int[] plain = Arrays.stream(numerals.split(",")).mapToInt(Integer::parseInt).toArray();
        byte[] value = new byte[plain.length];
        for (int i = 0; i < plain.length; i++)
            value[i] = (byte) plain[i];
        byte[] cipher = new byte[plain.length];
        engine(radix).processBlock(value, 0, value.length, cipher, 0);
        return IntStream.range(0, cipher.length).mapToObj(i -> Integer.toString(cipher[i] & 0xff))
                .collect(Collectors.joining(","));
    }

    private static double run(FPEFF1Engine engine, byte[] value, double ms) {
        long begin = threads.getCurrentThreadCpuTime(), elapsed = 0, values = 0;
        while (elapsed < ms * 1e6) {
            for (int i = 0; i < 100; i++)
                engine.processBlock(value, 0, value.length, value, 0);
            values += 100;
            elapsed = threads.getCurrentThreadCpuTime() - begin;
        }
        return (double) elapsed / values;
    }

    private double time(int radix, int length, double ms) {
        byte[] value = new byte[length];
        Random random = new Random(1);
        for (int i = 0; i < length; i++)
            value[i] = (byte) random.nextInt(radix);
        FPEFF1Engine engine = engine(radix);
        if (warmRadix != radix || warmLength != length)
            run(engine, value, WARM_MS);
        warmRadix = radix;
        warmLength = length;
        return run(engine, value, ms);
    }

    private String answer(String[] words) {
        return switch (words[0]) {
            case "check" -> check(Integer.parseInt(words[1]), words[2]);
            case "time" -> Double.toString(
                    time(Integer.parseInt(words[1]), Integer.parseInt(words[2]), Double.parseDouble(words[3])));
            default -> throw new IllegalArgumentException(words[0]);
        };
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        String[] keys = in.readLine().split(" ");
        Peer peer = new Peer(keys[1], keys[2]);
        System.out.println("ok");
        for (String line = in.readLine(); line != null; line = in.readLine())
            System.out.println(peer.answer(line.split(" ")));
    }
}
