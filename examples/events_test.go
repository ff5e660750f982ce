package examples_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

func (s *served) say(text string) {
	s.t.Helper()
	resp, err := http.Post("http://"+s.addr+"/say", "text/plain", strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		s.t.Fatal("say was answered with", resp.Status)
	}
}

// events reads the event stream until the lines that are wanted have come.
func (s *served) events(lastID string, ready func(), want ...string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", "http://"+s.addr+"/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		s.t.Error("it is", got)
	}
	ready()
	lines := bufio.NewScanner(resp.Body)
	for _, line := range append([]string{"retry: 1000", ""}, want...) {
		if !lines.Scan() || lines.Text() != line {
			s.t.Fatalf("%q came, want %q (%v)", lines.Text(), line, lines.Err())
		}
	}
}

func TestEventsComeInOrderAndWhatWasMissedComesAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, "events", "127.0.0.1:0")
	s.say("before")
	s.events("", func() { s.say("one"); s.say("two\nlines") }, "id: 2", "data: one", "", "id: 3", "data: two", "data: lines", "")
	s.say("missed")
	s.events("2", func() {}, "id: 3", "data: two", "data: lines", "", "id: 4", "data: missed", "")
	s.end(128 + 15)
}

func TestEventsInABrowser(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	s := serve(t, "events", "127.0.0.1:0")
	s.say("before the page was there")
	page := b.open("http://" + s.addr + "/")
	// Events are for those who listen; one shows that the page does.
	page.run(`(async () => {
		while (!document.getElementById('events').textContent) {
			await fetch('/say', {method: 'POST', body: 'knock'});
			await new Promise(done => setTimeout(done, 20));
		}
	})()`)
	s.say("good news")
	page.until(`document.getElementById('events').lastChild.textContent.includes(': good news')`)
	if got := page.run(`document.getElementById('events').textContent.includes('before')`); got != false {
		t.Error("the page shows what was before it")
	}
	s.end(128 + 15)
}
