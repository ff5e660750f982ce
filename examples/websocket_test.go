package examples_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A member is a WebSocket to the room.
type member struct {
	t    *testing.T
	conn net.Conn
	src  io.Reader
}

func (s *served) join(name string) *member {
	s.t.Helper()
	conn, ahead, _, err := ws.Dial(s.t.Context(), "ws://"+s.addr+"/room?name="+name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	m := &member{s.t, conn, conn}
	if ahead != nil {
		m.src = io.MultiReader(ahead, conn)
	}
	m.until(name + " joined")
	return m
}

func (m *member) write(f ws.Frame) {
	m.t.Helper()
	if err := ws.WriteFrame(m.conn, ws.MaskFrameInPlace(f)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) read() ws.Frame {
	m.t.Helper()
	f, err := ws.ReadFrame(m.src)
	if err != nil {
		m.t.Fatal(err)
	}
	return f
}

// until reads lines until that one, and returns how many of those before are among others.
func (m *member) until(line string, others ...string) (seen int) {
	m.t.Helper()
	for {
		f := m.read()
		if f.Header.OpCode != ws.OpText {
			continue
		}
		text := string(f.Payload)
		if text == line {
			return seen
		}
		if slices.Contains(others, text) {
			seen++
		}
	}
}

// closed reads until the Close, and returns its code.
func (m *member) closed() ws.StatusCode {
	m.t.Helper()
	for {
		if f := m.read(); f.Header.OpCode == ws.OpClose {
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return code
		}
	}
}

func TestWebSocketRoomSpeaksTheProtocol(t *testing.T) {
	t.Parallel()
	room := serve(t, "websocket", "127.0.0.1:0")
	watcher := room.join("watcher")

	m := room.join("pinger")
	m.write(ws.NewPingFrame([]byte("are you there")))
	for f := m.read(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "are you there"; f = m.read() {
	}
	m.write(ws.NewFrame(ws.OpText, false, []byte("in ")))
	m.write(ws.NewPingFrame([]byte("between")))
	m.write(ws.NewFrame(ws.OpContinuation, true, []byte("two parts")))
	m.until("pinger: in two parts")
	watcher.until("pinger: in two parts")

	for name, test := range map[string]struct {
		frame ws.Frame
		code  ws.StatusCode
	}{
		"polite":  {ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")), ws.StatusNormalClosure},
		"own":     {ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "")), 4001},
		"large":   {ws.NewTextFrame(bytes.Repeat([]byte{'x'}, 5<<10)), ws.StatusMessageTooBig},
		"garbled": {ws.NewTextFrame([]byte("\xff\xfe")), ws.StatusInvalidFramePayloadData},
		"wrong":   {ws.NewFrame(ws.OpContinuation, true, nil), ws.StatusProtocolError},
	} {
		m := room.join(name)
		m.write(test.frame)
		if code := m.closed(); code != test.code {
			t.Errorf("%s: it was closed with %d, want %d", name, code, test.code)
		}
		m.conn.Close()
		watcher.until(name + " left")
	}
	if _, _, _, err := (ws.Dialer{Header: ws.HandshakeHeaderString("Origin: http://elsewhere\r\n")}).Dial(t.Context(), "ws://"+room.addr+"/room?name=x"); !errors.Is(err, ws.StatusError(403)) {
		t.Error("a page of another site was told", err)
	}
	room.end(128 + 15)
	if code := watcher.closed(); code != ws.StatusGoingAway {
		t.Errorf("at the end it was closed with %d", code)
	}
}

// A member that does not read is cut off, and holds up nobody.
func TestWebSocketRoomASlowMemberHoldsUpNobody(t *testing.T) {
	t.Parallel()
	room := serve(t, "websocket", "127.0.0.1:0")
	room.join("slow")
	talker := room.join("talker")
	gone := make(chan string, 1)
	go func() {
		line, _ := room.out.ReadString('\n')
		gone <- line
	}()
	long := strings.Repeat("x", 4<<10)
	left := 0
	for range 5000 { // more than what the kernel holds for it
		talker.write(ws.NewTextFrame([]byte(long)))
		left += talker.until("talker: "+long, "slow left")
	}
	if line := <-gone; line != "slow: too slow\n" {
		t.Errorf("it printed %q", line)
	}
	if left == 0 {
		talker.until("slow left")
	}
}

// The client for terminals says what it is given, and ends with it.
func TestWebSocketClientTalks(t *testing.T) {
	t.Parallel()
	room := serve(t, "websocket", "127.0.0.1:0")
	watcher := room.join("watcher")
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "websocket"), "-join", room.addr, "terminal")
	cmd.Stdin = strings.NewReader("hello\nworld\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range []string{"terminal joined", "terminal: hello", "terminal: world", "terminal left"} {
		watcher.until(line)
	}
	if !strings.HasPrefix(string(out), "terminal joined\n") {
		t.Errorf("it printed %q", out)
	}
}

func TestWebSocketRoomInABrowser(t *testing.T) {
	t.Parallel()
	page := startBrowser(t)
	room := serve(t, "websocket", "127.0.0.1:0")
	ann := page.open("http://" + room.addr + "/?name=ann")
	ann.until(`document.getElementById('lines').textContent.includes('ann joined')`)
	bob := room.join("bob")
	ann.until(`document.getElementById('lines').textContent.includes('bob joined')`)
	ann.run(`document.getElementById('text').value = 'hello from a browser', document.getElementById('form').requestSubmit()`)
	bob.until("ann: hello from a browser")
	if err := wsutil.WriteClientText(bob.conn, []byte("grüße")); err != nil {
		t.Fatal(err)
	}
	ann.until(`document.getElementById('lines').textContent.includes('bob: grüße')`)
	room.end(128 + 15)
	ann.until(fmt.Sprintf(`document.getElementById('lines').textContent.includes('closed: %d the server ends')`, ws.StatusGoingAway))
}
