package browsertest_test

import (
	"bytes"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/browsertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAPageIsOpenedClickedTypedIntoAndPictured(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><meta name=viewport content="width=device-width"><title>x</title><input id=in><button onclick="document.title = document.getElementById('in').value">take</button>`)
	}))
	defer site.Close()
	p := browsertest.Start(t).Open(t, site.URL, 300, 200)
	p.Wait(`document.querySelector("button")`)
	p.Click("#in")
	p.Type("hello")
	p.Click("button")
	p.Wait(`document.title === "hello"`)
	var width int
	p.Eval("Promise.resolve(innerWidth)", &width)
	picture, err := png.Decode(bytes.NewReader(p.Picture()))
	if err != nil || width != 300 || picture.Bounds().Dx() != 300 || picture.Bounds().Dy() != 200 {
		t.Errorf("the window is %d wide, its picture %v, %v", width, picture.Bounds(), err)
	}
}
