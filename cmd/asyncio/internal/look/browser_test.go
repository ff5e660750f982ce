package look

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/internal/browsertest"
)

// openWeb runs the command web on a process and opens its address in a browser.
func openWeb(t *testing.T, pid string) *browsertest.Page {
	t.Helper()
	b := browsertest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Web(ctx, &Screen{Out: w}, pid, Options{JSON: true})
		_ = w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ URL string }
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		t.Fatal(err)
	}
	return b.Open(t, said.URL, 1200, 800)
}

func TestABrowserSeesALoopThatHangsThroughTheBridge(t *testing.T) {
	ownDirectory(t)
	p := openWeb(t, startProgram(t, "hangs"))
	want := `task 2 “writer” is blocked in sync.Mutex.Lock at `
	p.Wait(`document.querySelector("#culprit").textContent.startsWith("` + want + `")`)
	var text, query string
	p.Eval(`document.querySelector("#culprit").textContent`, &text)
	if !strings.Contains(text, lineOf(t, "the line that is named")) {
		t.Error(text)
	}
	if p.Eval(`location.search`, &query); query != "" {
		t.Errorf("the token stays in the address: %s", query)
	}
}

func TestABrowserCancelsATaskOfARealProgram(t *testing.T) {
	ownDirectory(t)
	p := openWeb(t, startProgram(t, "nested"))
	p.Wait(`document.querySelector("[data-id='6']")`)
	p.Key("/", "")
	p.Type("ticker")
	p.Wait(`document.querySelector("#shown").textContent.startsWith("1 of 9")`)
	p.Key("Escape", "")
	p.Key("j", "j")
	p.Wait(`document.querySelector("#details pre").textContent.includes("program_test.go")`)
	p.Click("#cancel")
	p.Wait(`document.querySelector("#cancel").textContent === "really cancel it?"`)
	p.Click("#cancel")
	p.Wait(`document.querySelector("#cancel").textContent === "cancelled"`)
	p.Key("5", "5")
	p.Wait(`document.querySelector("#ended").textContent.includes("ticker")`)
	p.Key("2", "2")
	p.Wait(`document.querySelectorAll("#graph svg g").length >= 4`)
	p.Key("4", "4")
	p.Wait(`document.querySelector("#timeline").width > 100`)
}
