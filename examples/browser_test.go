package examples_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A browser is headless Chromium, driven over its debugging protocol.
type browser struct {
	t    *testing.T
	host string
}

// startBrowser starts Chromium, or skips the test where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("chromium is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-sync", "--no-proxy-server",
		"--remote-debugging-port=0", "--user-data-dir="+t.TempDir(), "about:blank")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel() // kills it
		_, _ = io.Copy(io.Discard, stderr)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, stderr) // it goes on writing
			return &browser{t, u.Host}
		}
	}
	t.Skip("chromium cannot be started here")
	return nil
}

// A tab is a page in a browser.
type tab struct {
	t    *testing.T
	conn net.Conn
	src  io.Reader
	last int
}

// open opens a page.
func (b *browser) open(address string) *tab {
	b.t.Helper()
	req, err := http.NewRequest("PUT", "http://"+b.host+"/json/new?"+url.QueryEscape(address), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var target struct {
		URL string `json:"webSocketDebuggerUrl"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&target); err != nil {
		b.t.Fatal(err)
	}
	conn, ahead, _, err := ws.Dial(b.t.Context(), target.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		b.t.Fatal(err)
	}
	p := &tab{t: b.t, conn: conn, src: conn}
	if ahead != nil {
		p.src = io.MultiReader(ahead, conn)
	}
	for { // until the page is there, of which the script's context is destroyed once
		if there, _ := p.try(`location.href !== 'about:blank' && document.readyState === 'complete'`); there == true {
			return p
		}
	}
}

// run runs a script in the page and returns its value; a promise is waited for.
func (p *tab) run(script string) any {
	p.t.Helper()
	v, err := p.try(script)
	if err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// try is run, with the script's error.
func (p *tab) try(script string) (any, error) {
	p.t.Helper()
	p.last++
	text, err := json.Marshal(map[string]any{
		"id":     p.last,
		"method": "Runtime.evaluate",
		"params": map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true},
	})
	if err == nil {
		err = wsutil.WriteClientText(p.conn, text)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for {
		var answer struct {
			ID     int
			Error  any
			Result struct {
				Result           struct{ Value any }
				ExceptionDetails any
			}
		}
		if text, _, err = wsutil.ReadServerData(struct {
			io.Reader
			io.Writer
		}{p.src, p.conn}); err != nil {
			p.t.Fatal(err)
		}
		if err = json.Unmarshal(text, &answer); err != nil || answer.ID != p.last {
			continue // something that has happened
		}
		if answer.Error != nil || answer.Result.ExceptionDetails != nil {
			return nil, fmt.Errorf("%v %v", answer.Error, answer.Result.ExceptionDetails)
		}
		return answer.Result.Result.Value, nil
	}
}

// until waits until an expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	p.run(`new Promise(done => {
		const look = () => (` + expression + `) ? done(true) : setTimeout(look, 10);
		look();
	})`)
}
