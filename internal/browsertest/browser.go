// Package browsertest lets a test drive a real browser: headless Chromium, over its
// debugging protocol.
package browsertest

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// names are those under which Chromium is installed.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// A Browser is a Chromium without a window.
type Browser struct {
	t      testing.TB
	socket *socket

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	ended   bool
}

type answer struct {
	result json.RawMessage
	err    error
}

// Start starts a browser, which ends with the test. The test is skipped where there is
// none.
func Start(t testing.TB) *Browser {
	t.Helper()
	var path string
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium here to show the page")
	}
	home := t.TempDir()
	c := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-extensions", "--disable-background-networking", "--disable-component-update", "--mute-audio",
		"--remote-debugging-port=0", "--user-data-dir="+home, "about:blank")
	c.Env = append(os.Environ(), "HOME="+home)
	startOfGroup(c)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(address)
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadString('\n')
			if at, ok := strings.CutPrefix(line, "DevTools listening on "); ok {
				address <- strings.TrimSpace(at)
			}
			if err != nil {
				return
			}
		}
	}()
	b := &Browser{t: t, waiting: make(map[int]chan answer)}
	t.Cleanup(func() {
		if b.socket != nil {
			_ = b.socket.conn.Close()
		}
		endGroup(c)
		<-read
		_ = c.Wait() // it was killed
	})
	var at string
	select {
	case at = <-address:
	case <-time.After(time.Minute):
	}
	if at == "" {
		t.Fatal("the browser does not say where it can be reached")
	}
	if b.socket, err = dialSocket(at); err != nil {
		t.Fatal(err)
	}
	go b.receive()
	return b
}

// receive hands answers to those who wait for them, until the connection ends.
func (b *Browser) receive() {
	for {
		message, err := b.socket.read()
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ended = true
			for _, w := range b.waiting {
				w <- answer{err: io.ErrUnexpectedEOF}
			}
			return
		}
		var m struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal(message, &m) != nil || m.ID == 0 {
			continue // an event
		}
		a := answer{result: m.Result}
		if m.Error != nil {
			a.err = fmt.Errorf("%s", m.Error.Message)
		}
		b.mu.Lock()
		w := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		if w != nil {
			w <- a
		}
	}
}

// patience is how long a command may take.
const patience = 2 * time.Minute

// call runs a command of the protocol, in a session or in the browser.
func (b *Browser) call(session, method string, parameters any, result any) error {
	w := make(chan answer, 1)
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return io.ErrUnexpectedEOF
	}
	b.last++
	id := b.last
	b.waiting[id] = w
	b.mu.Unlock()
	text, err := json.Marshal(struct {
		ID        int    `json:"id"`
		Session   string `json:"sessionId,omitempty"`
		Method    string `json:"method"`
		Parameter any    `json:"params,omitempty"`
	}{id, session, method, parameters})
	if err != nil {
		return err
	}
	if err := b.socket.write(opText, text); err != nil {
		return err
	}
	select {
	case a := <-w:
		if a.err != nil {
			return fmt.Errorf("%s: %w", method, a.err)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.result, result)
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer for %v", method, patience)
	}
}

// A Page is a tab of the browser. Its methods fail the test when they cannot do what they
// are for.
type Page struct {
	b       *Browser
	t       testing.TB
	session string
}

// Open opens an address in a tab of a window of so many pixels.
func (b *Browser) Open(t testing.TB, address string, width, height int) *Page {
	t.Helper()
	p := &Page{b: b, t: t}
	var target struct {
		ID string `json:"targetId"`
	}
	p.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target))
	var session struct {
		ID string `json:"sessionId"`
	}
	p.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &session))
	p.session = session.ID
	p.Resize(width, height)
	p.call("Page.navigate", map[string]any{"url": address}, nil)
	return p
}

func (p *Page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *Page) call(method string, parameters any, result any) {
	p.t.Helper()
	p.must(p.b.call(p.session, method, parameters, result))
}

// Resize sets the size of the window, in pixels.
func (p *Page) Resize(width, height int) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
}

// Dark makes the user one who likes it dark, or light.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}}}, nil)
}

// Eval runs JavaScript, awaits its promise, and puts its value into v unless that is nil.
func (p *Page) Eval(script string, v any) {
	p.t.Helper()
	p.must(p.eval(script, v))
}

func (p *Page) eval(script string, v any) error {
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	if err := p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &r); err != nil {
		return err
	}
	if r.Exception != nil {
		return fmt.Errorf("%.200s: %s %s", script, r.Exception.Text, r.Exception.Exception.Description)
	}
	if v == nil {
		return nil
	}
	if len(r.Result.Value) == 0 {
		return fmt.Errorf("%.200s: it has no value", script)
	}
	return json.Unmarshal(r.Result.Value, v)
}

// Wait waits until a condition in JavaScript is true.
func (p *Page) Wait(condition string) {
	p.t.Helper()
	script := `new Promise((done, fail) => {
		const end = Date.now() + 90000;
		const look = () => { let ok = false; try { ok = !!(` + condition + `); } catch (e) {} if (ok) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 10); };
		look();
	})`
	// While a page is loaded, what runs in it is cut off: it is asked again.
	var ok bool
	for range 50 {
		if err := p.eval(script, &ok); err == nil {
			break
		}
	}
	if !ok {
		var text string
		_ = p.eval("document.body.innerText.slice(0, 2000)", &text)
		p.t.Fatalf("it never came true: %s\n%s", condition, text)
	}
}

// Click clicks on the first element that a CSS selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	at, err := json.Marshal(selector)
	p.must(err)
	var box struct{ X, Y float64 }
	p.Eval(`(() => { const e = document.querySelector(`+string(at)+`); e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; })()`, &box)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": box.X, "y": box.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// Type types a text where the focus is.
func (p *Page) Type(text string) {
	p.t.Helper()
	for _, r := range text {
		p.Key(string(r), string(r))
	}
}

// Key presses a key by its name in JavaScript; text is what it types, if anything.
func (p *Page) Key(key, text string) {
	p.t.Helper()
	down := map[string]any{"type": "keyDown", "key": key}
	if text != "" {
		down["text"] = text
	}
	p.call("Input.dispatchKeyEvent", down, nil)
	p.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
}

// Picture returns what the window shows, as a PNG.
func (p *Page) Picture() []byte {
	p.t.Helper()
	var shot struct {
		Data string `json:"data"`
	}
	p.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	p.must(err)
	return b
}
