package simtrace_test

import (
	"bytes"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/browsertest"
	"github.com/asyncio-go/asyncio/internal/simtrace"
)

var pictures = flag.String("pictures", "", "write pictures of the page into this directory")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is a client that asks twice: the first answer is lost.
func sample() *simtrace.Trace {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	t := &simtrace.Trace{Head: simtrace.Head{
		Test: "TestPayments", Seed: "12", Error: "at 1.02s: not always: one payment is made\nsecond line", Command: "go test -run TestPayments -sim.seed=12",
		Hash: "00112233", Choices: 3, Elapsed: ms(1020), Turns: 40,
		Hosts: []simtrace.Host{{ID: 1, Name: "server", Addrs: []string{"10.0.0.1"}}, {ID: 2, Name: "client", Addrs: []string{"10.0.0.2"}}, {ID: 3, Name: "data\u202ebase", Addrs: []string{"10.0.0.3"}}},
	}}
	add := func(at, host int, kind, group, text string) {
		t.Events = append(t.Events, simtrace.Event{At: ms(at), Host: host, Kind: kind, Group: group, Text: text})
	}
	send := func(at, from, to, arrives int, flags, data string) {
		add(at, from, "message", "net", "")
		t.Events[len(t.Events)-1].Message = &simtrace.Message{To: to, Arrives: ms(arrives), Proto: "tcp", Conn: 1, From: "10.0.0.2:32768", Dest: "10.0.0.1:80", Flags: flags, Size: len(data), Data: []byte(data)}
		if arrives < 0 {
			t.Events[len(t.Events)-1].Message.Arrives = -1
		}
	}
	task := func(at, host int, id uint64, name, state, waits string, ran bool) {
		add(at, host, "task", "task", name+" "+state)
		t.Events[len(t.Events)-1].Task = &simtrace.Task{ID: id, Boot: 1, Name: name, State: state, Waits: waits, Ran: ran}
	}
	for h := 1; h <= 3; h++ {
		add(0, h, "boot", "host", "starts, the first time")
	}
	add(0, 1, "turn", "host", "turn")
	task(0, 1, 1, "serve", "waits", "server", true)
	add(0, 2, "turn", "host", "turn")
	task(0, 2, 1, "pay", "waits", "future connect", true)
	send(0, 2, 1, 2, "SYN", "")
	add(1, 0, "leap", "time", "the clock goes on")
	send(2, 1, 2, 4, "SYN ACK", "")
	add(4, 2, "connect", "net", "connect, connection 1 to port 80")
	send(4, 2, 1, 7, "PSH ACK", "POST /pay HTTP/1.1\r\nHost: server\r\n\r\n<script>alert(1)</script>")
	add(7, 1, "segment", "net", "63 bytes arrive, connection 1 (2a977137)")
	add(7, 1, "turn", "host", "turn")
	task(7, 1, 2, "handler", "waits", "socket", true)
	send(7, 1, 3, 9, "PSH ACK", "put\x00\x01\xff")
	add(9, 3, "segment", "net", "6 bytes arrive, connection 2 (1a2b3c4d)")
	send(9, 1, 2, -1, "PSH ACK", "HTTP/1.1 200 OK")
	add(9, 1, "lost", "net", "lost under way, connection 1, try 1")
	add(200, 0, "stall", "time", "all hosts are held up for 17ms")
	add(217, 1, "crash", "host", "crashes")
	add(500, 1, "boot", "host", "starts, the second time")
	for i := range 300 {
		add(600+i, 2, "turn", "host", "turn")
		task(600+i, 2, 1, "pay", []string{"waits", "ready"}[i%2], []string{"sleep", ""}[i%2], true)
	}
	send(1000, 2, 1, 1010, "SYN", "")
	add(1010, 1, "reset", "net", "reset, connection 1")
	add(1020, 1, "note", "user", "the second payment")
	return t
}

func TestATraceIsReadAsItWasWritten(t *testing.T) {
	var b bytes.Buffer
	want := sample()
	if err := want.Write(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines != 1+len(want.Events) || !strings.HasPrefix(b.String(), `{"asyncio_trace":1,`) {
		t.Errorf("%d lines of %.40q", lines, b.String())
	}
	got, err := simtrace.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Events) != len(want.Events) || got.Error != want.Error || !slices.Equal(got.Events[7].Message.Data, want.Events[7].Message.Data) || got.Events[4].Task.Name != "serve" {
		t.Errorf("it is %+v", got.Head)
	}
}

func TestWhatIsNoTraceIsRefused(t *testing.T) {
	for text, want := range map[string]string{"": "its first line", "{}": "no trace", `{"version":1}`: "no trace", `{"asyncio_trace":2}`: "version 2", "{\"asyncio_trace\":1}\n{\"at\":\"x\"}": "line 2"} {
		if _, err := simtrace.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v", text, err)
		}
	}
	if _, err := simtrace.Read(strings.NewReader("no")); !errors.Is(err, simtrace.ErrNoTrace) {
		t.Errorf("it gave %v", err)
	}
}

// open shows a trace in a browser.
func open(t *testing.T, b *browsertest.Browser, trace *simtrace.Trace, width, height int) *browsertest.Page {
	t.Helper()
	var page bytes.Buffer
	if err := trace.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:")
		_, _ = w.Write(page.Bytes())
	}))
	t.Cleanup(site.Close)
	t.Cleanup(site.CloseClientConnections)
	return b.Open(t, site.URL, width, height)
}

const rows = `[...document.querySelectorAll("#body .ev")].filter(r => !r.hidden)`

func TestThePageShowsATrace(t *testing.T) {
	b := browsertest.Start(t)
	trace := sample()
	if *pictures != "" {
		trace.Hosts[2].Name = "data base"
	}
	p := open(t, b, trace, 1200, 760)
	p.Wait(`document.querySelector("#alarm b").textContent === "at 1.02s: not always: one payment is made"`)
	p.Wait(rows + `.some(r => r.textContent.includes("the second payment"))`)
	if *pictures == "" {
		p.Wait(`document.querySelector("#names").textContent.includes("data\\u{202e}base")`)
	}
	p.Wait(`document.querySelector("#count").textContent === "18 of 625 events"`)
	p.Key("/", "")
	p.Type("LOST")
	p.Wait(`document.querySelector("#found").textContent === "2 found"`)
	p.Key("Enter", "")
	p.Wait(`document.querySelector("#details").textContent.includes("never")`)
	p.Key("Escape", "")
	p.Key("N", "N")
	p.Wait(`document.querySelector(".ev.on").textContent.includes("lost under way")`)
	p.Key("g", "g")
	p.Wait(`document.querySelector(".ev.on").textContent.includes("server: starts")`)
	for range 6 {
		p.Key("j", "j")
	}
	p.Wait(`document.querySelector("#details pre:last-of-type").textContent.includes("<script>alert(1)")`)
	p.Click("#details dd .link") // where it arrives
	p.Wait(`document.querySelector(".ev.on").textContent.includes("63 bytes arrive")`)
	p.Wait(`document.querySelector("#details table").textContent.includes("servewaits for server")`)
	if *pictures != "" {
		p.Click(`[data-group=task]`)
		if err := os.WriteFile(filepath.Join(*pictures, "page.png"), p.Picture(), 0o644); err != nil {
			t.Fatal(err)
		}
		p.Click(`[data-group=task]`)
	}
	p.Click(`[data-group=turn]`)
	p.Wait(`document.querySelector("#count").textContent === "321 of 625 events"`)
	p.Key("G", "G")
	p.Wait(`document.querySelector("#grid").scrollTop > 5000 && document.querySelector(".ev.on").textContent.includes("second payment")`)
	// Of one host only.
	p.Click("#names button:nth-child(4)")
	p.Wait(`document.querySelector("#names").textContent.startsWith("atdata") && ` + rows + `.length < 12`)
	var painted bool
	p.Eval(`(() => { const c = document.querySelector("#lanes"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; return d.some(x => x); })()`, &painted)
	if !painted {
		t.Error("the lanes are empty")
	}
}

func TestThePageFitsAPhoneInTheDark(t *testing.T) {
	p := open(t, browsertest.Start(t), sample(), 390, 800)
	p.Dark(true)
	p.Wait(rows + `.some(r => r.textContent.includes("the second payment"))`)
	p.Wait(`getComputedStyle(document.body).backgroundColor === "rgb(20, 22, 26)"`)
	var wide int
	p.Eval(`document.documentElement.scrollWidth`, &wide)
	if wide > 390 {
		t.Errorf("the page is %d pixels wide", wide)
	}
	p.Click("#theme")
	p.Wait(`getComputedStyle(document.body).backgroundColor === "rgb(246, 247, 249)"`)
	p.Click("#theme")
	p.Click("#body .ev:not([hidden])")
	p.Wait(`!document.querySelector("#details").hidden && document.querySelector("#details").getBoundingClientRect().width <= 390 && document.querySelector("#grid").getBoundingClientRect().height > 200`)
	if *pictures != "" {
		if err := os.WriteFile(filepath.Join(*pictures, "phone.png"), p.Picture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
