package insight

import (
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/browsertest"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

var pictures = flag.String("pictures", "", "write pictures of the page into this directory")

// showPage opens the page of a window in a browser.
func showPage(t *testing.T, w *window, query string, width, height int) *browsertest.Page {
	t.Helper()
	w.process.Program, w.process.PID, w.process.Go = "shop", 4711, "go1.26.0" // on pictures
	site := httptest.NewServer(w.handler())
	t.Cleanup(site.Close)
	t.Cleanup(site.CloseClientConnections)
	return browsertest.Start(t).Open(t, site.URL+"/"+query, width, height)
}

// picture keeps a picture of the page if that is asked for.
func picture(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), p.Picture(), 0o644); err != nil {
		t.Fatal(err)
	}
}

const rows = `[...document.querySelectorAll("#body .tr")].filter(r => !r.hidden).sort((a, b) => a.dataset.i - b.dataset.i)`

func TestThePageShowsSortsAndSearchesTasks(t *testing.T) {
	p := showPage(t, fakes(samples.Program(), samples.Deadlock()), "", 1200, 700)
	p.Wait(rows + `.length === 9`)
	p.Click(`#head [data-key=name]`)
	p.Wait(rows + `[0].children[1].textContent === "Task-1"`)
	p.Key("r", "r")
	p.Wait(rows + `[0].children[1].textContent === "服务器"`)
	p.Key("/", "")
	p.Type("LOCK")
	p.Wait(rows + `.length === 1`)
	var waits string
	p.Eval(rows+`[0].children[6].textContent`, &waits)
	if waits != "lock held by order-2" {
		t.Errorf("it waits for %q", waits)
	}
	p.Click("#body .tr")
	p.Wait(`document.querySelector("#details pre").textContent.includes("sync_lock.go:40")`)
	picture(t, p, "insight-tasks")
}

func TestThePageShowsWhoWaitsForWhomAndCircles(t *testing.T) {
	p := showPage(t, fakes(samples.Deadlock()), "", 1200, 700)
	p.Wait(rows + `.length === 3`)
	p.Key("2", "2")
	p.Wait(`document.querySelectorAll("#graph svg g").length === 5 && document.querySelectorAll("#graph .edge.cycle").length === 4`)
	p.Wait(`document.querySelector("#deadlock").textContent === "Deadlock: debit waits for credit waits for debit"`)
	p.Wait(`document.querySelector("#tree").textContent.includes("waits for itself")`)
	picture(t, p, "insight-waits")
}

func TestThePageShowsALoopThatHangs(t *testing.T) {
	p := showPage(t, fakes(samples.Program(), samples.Hung()), "", 1200, 700)
	p.Wait(`document.querySelector("#culprit").textContent.startsWith("task 12 “writer” is blocked in sync.Mutex.Lock at /src/shop/store.go:82")`)
	p.Wait(`document.querySelector("#alarm").getBoundingClientRect().height > 50 && document.querySelectorAll("#loops button").length === 2`)
	picture(t, p, "insight-hangs")
}

func TestThePageShowsTheLoopItsTimelineAndEndedTasks(t *testing.T) {
	p := showPage(t, fakes(samples.Program()), "?every=100ms", 1200, 800)
	p.Wait(rows + `.length === 9`)
	p.Key("3", "3")
	p.Wait(`document.querySelectorAll("#slow details").length === 2 && document.querySelector("#stats").textContent.includes("99999 (parked: 88888)")`)
	p.Wait(`document.querySelector("#things").textContent.includes("convert in.png out.jpg")`)
	p.Wait(`window.updates > 5`)
	picture(t, p, "insight-loop")
	p.Key("4", "4")
	p.Wait(`bars.length >= 4`)
	picture(t, p, "insight-timeline")
	p.Key("5", "5")
	p.Wait(`document.querySelector("#ended").textContent.includes("no stock")`)
}

func TestThePageFitsAPhoneAndTheDark(t *testing.T) {
	p := showPage(t, fakes(samples.Program()), "", 390, 800)
	p.Dark(true)
	p.Wait(rows + `.length === 9`)
	p.Wait(`document.documentElement.scrollWidth <= 390 && getComputedStyle(document.body).backgroundColor === "rgb(20, 22, 26)"`)
	picture(t, p, "insight-phone")
}

func TestThePageOpensADump(t *testing.T) {
	p := showPage(t, fakes(samples.Program(), samples.Deadlock()), "", 1200, 700)
	p.Wait(rows + `.length === 9`)
	p.Eval(`fetch("v1/dump").then(r => r.text()).then(openDump)`, nil)
	p.Wait(`document.querySelector("#live").textContent.startsWith("a dump of 20") && ` + rows + `.length === 9`)
	p.Key("l", "l")
	p.Wait(rows + `.length === 3 && document.querySelector("#deadlock").textContent.includes("debit")`)
	p.Click("#body .tr")
	p.Wait(`document.querySelector("#details b").textContent !== "" && !document.querySelector("#details").textContent.includes("cancel this")`)
}

// stillness is how long the page may stand still; 0: it is only logged. That is a matter
// of what else the machine does.
var stillness = flag.Duration("page.stillness", 0, "fail when the page stands still for so long with ten thousand tasks: 200ms on a quiet machine")

// Sixty updates with ten thousand tasks each.
func TestThePageBearsTenThousandTasks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	w := fakes(samples.Many(10_000, time.Second))
	var n int64
	w.subjects()[0].(*fake).look = func(asyncio.LookOptions) *asyncio.LoopLook {
		n++
		return samples.Many(10_000, time.Duration(n)*time.Second)
	}
	p := showPage(t, w, "?every=100ms", 1200, 800)
	p.Wait(`window.updates >= 2`)
	p.Eval(`window.longest = 0; new PerformanceObserver(l => { for (const e of l.getEntries()) window.longest = Math.max(window.longest, e.duration); }).observe({type: "longtask"}); window.updates = 0; true`, nil)
	p.Click(`#head [data-key=name]`)
	p.Eval(`document.querySelector("#grid").scrollTop = 100000; true`, nil)
	p.Wait(`window.updates >= 60`)
	var longest float64
	var elements int
	p.Eval(`window.longest`, &longest)
	p.Eval(`document.querySelectorAll("#body .tr").length`, &elements)
	t.Logf("the longest task of the page took %.0f ms", longest)
	if elements > 200 {
		t.Errorf("the table has %d rows", elements)
	}
	if limit := float64(stillness.Milliseconds()); limit > 0 && longest > limit {
		t.Errorf("the page stood still for %.0f ms", longest)
	}
}
