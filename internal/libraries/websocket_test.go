//go:build unix

package libraries

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
)

// Servers send every message back.
var socketServers = map[string]func(t *testing.T) http.HandlerFunc{
	"gorilla": func(t *testing.T) http.HandlerFunc {
		var u websocket.Upgrader
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := u.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for {
				kind, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				if err := c.WriteMessage(kind, p); err != nil {
					t.Error(err)
				}
			}
		}
	},
	"gobwas": func(t *testing.T) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for {
				p, op, err := wsutil.ReadClientData(c)
				if err != nil {
					return
				}
				if err := wsutil.WriteServerMessage(c, op, p); err != nil {
					t.Error(err)
				}
			}
		}
	},
}

// A dialFunc is how a client opens its connection.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Clients send a message three times and read it back.
var socketClients = map[string]func(t *testing.T, ctx context.Context, dial dialFunc, url, message string) error{
	"gorilla": func(t *testing.T, ctx context.Context, dial dialFunc, url, message string) error {
		c, _, err := (&websocket.Dialer{NetDialContext: dial}).DialContext(ctx, url, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		for range 3 {
			if err := c.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				return err
			}
			if _, p, err := c.ReadMessage(); err != nil || string(p) != message {
				t.Errorf("%d bytes, %v", len(p), err)
			}
		}
		return nil
	},
	"gobwas": func(t *testing.T, ctx context.Context, dial dialFunc, url, message string) error {
		c, _, _, err := ws.Dialer{NetDial: dial}.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer c.Close()
		for range 3 {
			if err := wsutil.WriteClientText(c, []byte(message)); err != nil {
				return err
			}
			if p, err := wsutil.ReadServerText(c); err != nil || string(p) != message {
				t.Errorf("%d bytes, %v", len(p), err)
			}
		}
		return nil
	},
}

func TestWebsocketsOnTheLoop(t *testing.T) {
	for server, handler := range socketServers {
		t.Run(server, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) error {
				dial := asyncio.NewDialer(loop(ctx)).DialContext
				return withServer(ctx, handler(t), func(addr string) error {
					for client, speak := range socketClients {
						for _, size := range []int{5, 1 << 20} {
							err := together(ctx, 5, func(ctx context.Context, _ int) error {
								return speak(t, ctx, dial, "ws://"+addr+"/", strings.Repeat("x", size))
							})
							if err != nil {
								t.Errorf("%s with %s: %v", client, server, err)
							}
						}
					}
					return nil
				})
			})
		})
	}
}

func TestWebsocketClientsOfASilentServerEndWithTheirContext(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dial := asyncio.NewDialer(loop(ctx)).DialContext
		for client, speak := range socketClients {
			err := endsInTime(t, ctx, client, func(ctx context.Context) error {
				return speak(t, ctx, dial, "ws://"+silent(t)+"/", "x")
			})
			if !isTimeout(err) {
				t.Errorf("%s: %v", client, err)
			}
		}
		return nil
	})
}

func TestGorillaEndsAReadAtItsDeadline(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		return withServer(ctx, socketServers["gorilla"](t), func(addr string) error {
			d := websocket.Dialer{NetDialContext: asyncio.NewDialer(loop(ctx)).DialContext}
			c, _, err := d.DialContext(ctx, "ws://"+addr+"/", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			err = endsInTime(t, ctx, "ReadMessage", func(context.Context) error {
				_, _, err := c.ReadMessage()
				return err
			})
			if !isTimeout(err) {
				t.Error(err)
			}
			return nil
		})
	})
}

// coder/websocket speaks HTTP by an http.Client, and goes on with the response's body.
func TestCoderWebsocketOnTheLoop(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		tr := &asynchttp.Transport{}
		defer tr.Close()
		o := &coder.DialOptions{HTTPClient: &http.Client{Transport: tr}}
		err := withServer(ctx, socketServers["gorilla"](t), func(addr string) error {
			return together(ctx, 5, func(ctx context.Context, i int) error {
				c, _, err := coder.Dial(ctx, "ws://"+addr+"/", o)
				if err != nil {
					return err
				}
				defer c.CloseNow()
				c.SetReadLimit(-1)
				for _, message := range []string{"hello", strings.Repeat("x", 1<<20)} {
					if err := c.Write(ctx, coder.MessageText, []byte(message)); err != nil {
						return err
					}
					if _, p, err := c.Read(ctx); err != nil || string(p) != message {
						t.Errorf("%d bytes, %v", len(p), err)
					}
				}
				err = endsInTime(t, ctx, "Read", func(ctx context.Context) error {
					_, _, err := c.Read(ctx)
					return err
				})
				if !isTimeout(err) {
					t.Error(err)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		err = endsInTime(t, ctx, "a silent server", func(ctx context.Context) error {
			_, _, err := coder.Dial(ctx, "ws://"+silent(t)+"/", o)
			return err
		})
		if !isTimeout(err) {
			t.Error(err)
		}
		return nil
	})
}
