package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
	"github.com/asyncio-go/asyncio/internal/hook"
	"github.com/asyncio-go/asyncio/internal/simtrace"
)

// Of a world that is recorded no more is kept than this, the last of it.
const (
	maxRecorded = 200_000  // events, and likewise messages and changes of tasks
	maxPayload  = 64 << 20 // bytes of messages
	shownBytes  = 1 << 10  // of a message on the page
)

// A recording is what is kept of a world beside its events, to be looked at: the
// messages between hosts and what the tasks do. It is no part of the hash.
type recording struct {
	messages []message
	payload  int // bytes of them
	tasks    []taskChange
	known    map[taskKey]hook.TaskState
}

// A message is a packet, and how many events had happened before it was sent.
type message struct {
	after int
	netsim.Packet
}

// A taskChange is what a task does, and how many events had happened before.
type taskChange struct {
	after int
	at    time.Duration
	key   taskKey
	state hook.TaskState
	ran   bool
}

type taskKey struct {
	host uint8
	boot uint64
	id   uint64
}

// recorded makes a world one that is recorded.
func recorded(w *World) {
	w.trace.keep = true
	w.recording = &recording{known: make(map[taskKey]hook.TaskState)}
	w.net.Record(func(p netsim.Packet) {
		if !w.over {
			w.recording.send(message{w.trace.kept(), p})
		}
	})
}

func (r *recording) send(m message) {
	r.messages = append(r.messages, m)
	r.payload += len(m.Data)
	for r.payload > maxPayload || len(r.messages) > 2*maxRecorded {
		half := (len(r.messages) + 1) / 2
		for _, old := range r.messages[:half] {
			r.payload -= len(old.Data)
		}
		r.messages = slices.Delete(r.messages, 0, half)
	}
}

func (r *recording) change(c taskChange) {
	if r.tasks = append(r.tasks, c); len(r.tasks) > 2*maxRecorded {
		r.tasks = slices.Delete(r.tasks, 0, maxRecorded)
	}
}

// lookAtTasks notes what the tasks of a host do after a turn, where the world is
// recorded.
func (w *World) lookAtTasks(h *Host) {
	r := w.recording
	if r == nil || w.over || h.loop == nil {
		return
	}
	here := taskKey{host: h.machine.ID, boot: h.machine.Boots()}
	alive := make(map[taskKey]bool)
	for _, s := range h.step.Tasks() {
		key := here
		key.id = s.ID
		alive[key] = true
		before, known := r.known[key]
		if !known || before != s {
			r.known[key] = s
			r.change(taskChange{w.trace.kept(), w.Now(), key, s, known && before.Steps != s.Steps || !known && s.State != "not started"})
		}
	}
	var ended []taskKey
	for key := range r.known {
		if key.host == here.host && key.boot == here.boot && !alive[key] {
			ended = append(ended, key)
		}
	}
	slices.SortFunc(ended, func(a, b taskKey) int { return cmp.Compare(a.id, b.id) })
	for _, key := range ended {
		s := r.known[key]
		delete(r.known, key)
		s.State, s.Waits = "ended", ""
		r.change(taskChange{w.trace.kept(), w.Now(), key, s, true})
	}
}

// record puts together what is shown of a world.
func (w *World) record() *simtrace.Trace {
	t := &simtrace.Trace{Head: simtrace.Head{Hash: fmt.Sprintf("%016x", w.trace.hash), Choices: w.tape.wild(), Elapsed: w.Now(), Turns: w.turns}}
	if w.failure != nil {
		t.Error = w.failure.Error()
	}
	for _, h := range w.hosts {
		t.Hosts = append(t.Hosts, simtrace.Host{ID: int(h.machine.ID), Name: h.Name(), Addrs: []string{h.Addr().String(), h.Addr6().String()}})
	}
	messages, tasks := w.recording.messages, w.recording.tasks
	for i := w.trace.dropped; i <= w.trace.kept(); i++ {
		for len(messages) > 0 && messages[0].after <= i {
			t.Events = append(t.Events, messages[0].event())
			messages = messages[1:]
		}
		for len(tasks) > 0 && tasks[0].after <= i {
			t.Events = append(t.Events, tasks[0].event())
			tasks = tasks[1:]
		}
		if i < w.trace.kept() {
			t.Events = append(t.Events, w.trace.lines[i-w.trace.dropped].event())
		}
	}
	if t.Before = w.trace.dropped; len(t.Events) > maxRecorded {
		t.Before += len(t.Events) - maxRecorded
		t.Events = t.Events[len(t.Events)-maxRecorded:]
	}
	return t
}

func (e line) event() simtrace.Event {
	return simtrace.Event{At: e.at, Host: int(e.host), Kind: e.kind.String(), Group: string(e.kind.Group()), Text: e.what()}
}

func (c *taskChange) event() simtrace.Event {
	s := c.state
	return simtrace.Event{At: c.at, Host: int(c.key.host), Kind: "task", Group: "task", Text: s.Name + " " + s.State,
		Task: &simtrace.Task{ID: s.ID, Boot: c.key.boot, Name: s.Name, State: s.State, Waits: s.Waits, Ran: c.ran}}
}

func (m *message) event() simtrace.Event {
	k := &simtrace.Message{To: int(m.To.ID), Arrives: m.Arrives, Proto: "tcp", Conn: m.Conn, From: m.Src.String(), Dest: m.Dst.String(),
		Flags: flagNames(m.Flags), Size: len(m.Data), Data: m.Data[:min(len(m.Data), shownBytes)]}
	if m.UDP {
		k.Proto = "udp"
	}
	return simtrace.Event{At: m.Sent, Host: int(m.From.ID), Kind: "message", Group: "net", Text: fmt.Sprintf("%s %s > %s, %d bytes", k.Proto, k.From, k.Dest, k.Size), Message: k}
}

func flagNames(f netsim.Flags) string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// captures returns what has been sent on each link, by the names of its hosts.
func (w *World) captures() map[string][]simtrace.Packet {
	all := make(map[string][]simtrace.Packet)
	begin := time.Unix(0, 0).Add(wallBegin).UTC()
	for i := range w.recording.messages {
		m := &w.recording.messages[i]
		a, b := m.From, m.To
		if a.ID > b.ID {
			a, b = b, a
		}
		name := a.Name + "-" + b.Name
		all[name] = append(all[name], simtrace.Packet{At: begin.Add(m.Sent), From: unmapped(m.Src), To: unmapped(m.Dst), UDP: m.UDP, Flags: uint8(m.Flags), Seq: m.Seq, Ack: m.Ack, Data: m.Data})
	}
	return all
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// WriteTrace writes what is known of a world that has failed into a directory, which
// it makes: NAME.txt, a line for each event; NAME.json, with messages and tasks, a
// line for each (see docs/simulation.md); NAME.html, a page to look at it; and for
// each link NAME.HOST-HOST.pcap, which tcpdump and Wireshark read. It returns the names
// of the files, and writes nothing where no world has failed. Long worlds are
// cut off: what is written are the last 200,000 events.
func (r *Report) WriteTrace(dir, name string) (files []string, err error) {
	if r.record == nil {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	write := func(kind string, fill func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		file := filepath.Join(dir, name+"."+kind)
		if err == nil {
			err = fill(&b)
		}
		if err == nil {
			err = os.WriteFile(file, b.Bytes(), 0o666)
		}
		if err == nil {
			files = append(files, file)
		}
	}
	write("txt", func(b *bytes.Buffer) error {
		_, err := fmt.Fprintf(b, "%v\n\n%s", r.Err, r.text)
		return err
	})
	write("json", func(b *bytes.Buffer) error { return r.record.Write(b) })
	write("html", func(b *bytes.Buffer) error { return r.record.WritePage(b) })
	for _, link := range slices.Sorted(maps.Keys(r.captures)) {
		write(fileName(link)+".pcap", func(b *bytes.Buffer) error { return simtrace.WritePcap(b, r.captures[link]) })
	}
	return files, err
}

// fileName makes of a name one that can be a file's.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, name)
}
