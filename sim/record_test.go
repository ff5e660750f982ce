package sim_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/simtrace"
	"github.com/asyncio-go/asyncio/sim"
)

// failsAfterAsking is a world with messages, datagrams, a loss and a crash, that fails.
func failsAfterAsking(w *sim.World) {
	server, client := w.Host("server"), w.Host("client")
	server.Serve(echo)
	w.At(2*time.Second, func() { w.Partition(server, client) })
	w.At(3*time.Second, func() { w.Heal(server, client) })
	w.At(10*time.Second, server.Crash)
	client.Go(func(ctx context.Context) error {
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if err := ask(ctx, "server:7", []byte("hello world")); err != nil {
			return err
		}
		c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithRemoteAddr("server:9"))
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write([]byte("a datagram")); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
		if err := ask(ctx, "server:7", make([]byte, 50_000)); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 8*time.Second); err != nil {
			return err
		}
		return errors.New("it is enough")
	})
}

func TestAWorldThatFailsLeavesATrace(t *testing.T) {
	r := sim.Run(failsAfterAsking)
	if r.Err == nil {
		t.Fatal("it has not failed")
	}
	dir := t.TempDir()
	files, err := r.WriteTrace(filepath.Join(dir, "made"), "one")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	if want := []string{"one.txt", "one.json", "one.html", "one.server-client.pcap"}; !slices.Equal(names, want) {
		t.Fatalf("the files are %v", names)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.HasPrefix(s, r.Err.Error()) || !strings.Contains(s, "11 bytes arrive") || !strings.HasSuffix(s, r.Trace[len(r.Trace)-200:]) {
		t.Errorf("the text is\n%s", text)
	}
	in, err := os.Open(files[1])
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	trace, err := simtrace.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	if trace.Error != r.Err.Error() || len(trace.Hosts) != 2 || trace.Hosts[1].Name != "client" || trace.Elapsed != r.Elapsed {
		t.Errorf("its head is %+v", trace.Head)
	}
	var said, lost, udp, ended, slept bool
	last := time.Duration(0)
	for _, e := range trace.Events {
		if e.At < last {
			t.Fatalf("%v comes after %v", e, last)
		}
		last = e.At
		if m := e.Message; m != nil {
			said = said || string(m.Data) == "hello world" && m.Flags == "PSH ACK" && m.Arrives > e.At && e.Host == 2 && m.To == 1
			lost = lost || m.Arrives < 0
			udp = udp || m.Proto == "udp" && string(m.Data) == "a datagram"
		}
		if k := e.Task; k != nil {
			ended = ended || k.State == "ended"
			slept = slept || k.State == "waits" && k.Waits == "sleep"
		}
	}
	if !said || !lost || !udp || !ended || !slept {
		t.Errorf("what was said: %v; lost: %v; a datagram: %v; the end of a task: %v; its sleep: %v", said, lost, udp, ended, slept)
	}
	readCapture(t, files[3])
}

// readCapture lets tcpdump judge a capture.
func readCapture(t *testing.T, file string) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("there is no tcpdump here to read the capture")
	}
	out, err := exec.Command(tcpdump, "-vv", "-nn", "-S", "-r", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := string(out)
	for _, want := range []string{"Flags [S], ", "Flags [S.], ", "10.0.0.2.32768 > 10.0.0.1.7: Flags [P.]", "length 11", "Flags [F.], ", "10.0.0.1.9: [udp sum ok] UDP, length 10"} {
		if !strings.Contains(s, want) {
			t.Errorf("the capture has no %q\n%s", want, s)
		}
	}
	for _, bad := range []string{"incorrect", "bad udp", "bad cksum", "truncated"} {
		if strings.Contains(s, bad) {
			t.Errorf("the capture has something that is %s\n%s", bad, s)
		}
	}
}

func TestAWorldThatHoldsLeavesNoTrace(t *testing.T) {
	r := sim.Run(func(w *sim.World) { w.Host("h") }, sim.Seeds(1))
	dir := filepath.Join(t.TempDir(), "none")
	if files, err := r.WriteTrace(dir, "one"); files != nil || err != nil {
		t.Errorf("it wrote %v, %v", files, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("it made a directory")
	}
}

func TestATraceIsWrittenWhereItIsWanted(t *testing.T) {
	dir := t.TempDir()
	out, ok := child(t, dir, nil, "-test.run=^TestChildLosesAnUpdate$", "-sim.trace=kept")
	found, err := filepath.Glob(filepath.Join(dir, "kept", "TestChildLosesAnUpdate", "*.html"))
	if err != nil {
		t.Fatal(err)
	}
	if ok || len(found) != 1 || !strings.Contains(out, filepath.Join("kept", "TestChildLosesAnUpdate")) {
		t.Errorf("it passed: %v, and left %v\n%s", ok, found, out)
	}
	if beside, _ := filepath.Glob(filepath.Join(dir, "testdata", "sim", "*", "*")); len(beside) != 1 {
		t.Errorf("beside the tape there is %v", beside)
	}
}
