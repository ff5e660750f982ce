//go:build unix

package libraries

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
)

// withServer serves h on the loop while f runs, which is given the address.
func withServer(ctx context.Context, h http.Handler, f func(addr string) error) error {
	srv := &asynchttp.Server{Handler: h}
	addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer srv.Close()
	if err := f(addr.String()); err != nil {
		return err
	}
	return asyncio.Timeout(ctx, 5*time.Second, srv.Shutdown)
}

// get requests n pages at once, on the loop.
func get(t *testing.T, ctx context.Context, n int, url, want string) error {
	tr := &asynchttp.Transport{}
	defer tr.Close()
	client := &http.Client{Transport: tr}
	return together(ctx, n, func(ctx context.Context, _ int) error {
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s: %q", url, resp.Status, body)
		}
		return err
	})
}

// handled has a handler on the loop serve ten requests at once, each of which waits.
func handled(t *testing.T, h http.Handler, path, want string) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		return withServer(ctx, h, func(addr string) error {
			start := time.Now()
			err := get(t, ctx, 10, "http://"+addr+path, want)
			if took := time.Since(start); took > time.Second {
				t.Errorf("ten requests that wait 200 ms took %v", took)
			}
			return err
		})
	})
}

const short = 200 * time.Millisecond

func TestHTMLTemplateInAHandler(t *testing.T) {
	page := template.Must(template.New("page").Parse(`<p>{{.Name}} {{call .Wait}}</p>`))
	handled(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := page.Execute(w, map[string]any{
			"Name": r.URL.Path,
			"Wait": func() (string, error) { return "waited", asyncio.Sleep(r.Context(), short) },
		})
		if err != nil {
			t.Error(err)
		}
	}), "/<b>", "<p>/&lt;b&gt; waited</p>")
}

func TestChiInAHandler(t *testing.T) {
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.Recoverer, middleware.Compress(5), middleware.Timeout(limit))
	r.Get("/items/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := asyncio.Sleep(r.Context(), short); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "item %s", chi.URLParam(r, "id"))
	})
	handled(t, r, "/items/7", "item 7")
}

func TestEchoInAHandler(t *testing.T) {
	e := echo.New()
	e.Use(echomiddleware.Recover(), echomiddleware.RequestID(), echomiddleware.Gzip())
	e.GET("/items/:id", func(c echo.Context) error {
		if err := asyncio.Sleep(c.Request().Context(), short); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]string{"item": c.Param("id")})
	})
	handled(t, e, "/items/7", `"item":"7"`)
}
