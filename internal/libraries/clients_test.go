//go:build unix

package libraries

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/bradfitz/gomemcache/memcache"
	"github.com/jlaffaye/ftp"
	"github.com/miekg/dns"
)

func TestGomemcacheOnTheLoop(t *testing.T) {
	p := newPlace(t, "nobody")
	p.serve(t, find(t, "memcached"), "-l", "127.0.0.1", "-p", p.port, "-U", "0")
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		client := memcache.New(p.addr())
		defer client.Close()
		client.DialContext = asyncio.NewDialer(loop(ctx)).DialContext
		client.Timeout = 10 * time.Second
		if err := client.FlushAll(); err != nil {
			return err
		}
		err := together(ctx, 20, func(ctx context.Context, i int) error {
			key, value := fmt.Sprint("key", i), bytes.Repeat([]byte("x"), 100<<10)
			if err := client.Set(&memcache.Item{Key: key, Value: value}); err != nil {
				return err
			}
			item, err := client.Get(key)
			if err != nil || !bytes.Equal(item.Value, value) {
				t.Error(err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := client.Get("nothing"); err != memcache.ErrCacheMiss {
			t.Error(err)
		}
		late := memcache.New(silent(t))
		defer late.Close()
		late.DialContext, late.Timeout = client.DialContext, 200*time.Millisecond
		err = endsInTime(t, ctx, "a silent server", func(context.Context) error {
			_, err := late.Get("key")
			return err
		})
		if !isTimeout(err) {
			t.Error(err)
		}
		return nil
	})
}

func TestSMTPOnTheLoop(t *testing.T) {
	p := newPlace(t, "nobody")
	p.serve(t, find(t, "aiosmtpd"), "-n", "-l", p.addr())
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		return together(ctx, 5, func(ctx context.Context, _ int) error {
			s, err := asyncio.OpenConnection(ctx, "tcp", p.addr())
			if err != nil {
				return err
			}
			client, err := smtp.NewClient(s.Conn(), "127.0.0.1")
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Mail("from@example.com"); err != nil {
				return err
			}
			if err := client.Rcpt("to@example.com"); err != nil {
				return err
			}
			w, err := client.Data()
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, "Subject: hello\r\n\r\n"+strings.Repeat("line\r\n", 1000)); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			return client.Quit()
		})
	})
}

func TestFTPOnTheLoop(t *testing.T) {
	server := find(t, "vsftpd")
	if os.Getuid() != 0 {
		t.Skip("vsftpd wants root")
	}
	p := newPlace(t, "")
	if err := os.Chmod(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"empty", "files"} {
		if err := os.Mkdir(p.dir+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const size = 1 << 20
	if err := os.WriteFile(p.dir+"/files/file", bytes.Repeat([]byte("x"), size), 0o644); err != nil {
		t.Fatal(err)
	}
	conf := p.file(t, "conf", strings.Join([]string{
		"listen=YES", "listen_address=127.0.0.1", "listen_port=" + p.port, "background=NO", "anonymous_enable=YES",
		"anon_root=" + p.dir + "/files", "no_anon_password=YES", "secure_chroot_dir=" + p.dir + "/empty",
		"seccomp_sandbox=NO", "isolate=NO", "isolate_network=NO", "pasv_address=127.0.0.1", "",
	}, "\n"))
	p.serve(t, server, conf)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dialer := asyncio.NewDialer(loop(ctx))
		return together(ctx, 5, func(ctx context.Context, _ int) error {
			c, err := ftp.Dial(p.addr(), ftp.DialWithDialFunc(func(network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			}))
			if err != nil {
				return err
			}
			if err := c.Login("anonymous", "anonymous"); err != nil {
				return err
			}
			if entries, err := c.List("/"); err != nil || len(entries) != 1 || entries[0].Name != "file" {
				t.Error(entries, err)
			}
			r, err := c.Retr("file")
			if err != nil {
				return err
			}
			if n, err := io.Copy(io.Discard, r); n != size || err != nil {
				t.Error(n, err)
			}
			if err := r.Close(); err != nil {
				return err
			}
			return c.Quit()
		})
	})
}

func TestDNSOnTheLoop(t *testing.T) {
	p := newPlace(t, "")
	p.serve(t, find(t, "dnsmasq"), "--keep-in-foreground", "--port="+p.port, "--listen-address=127.0.0.1", "--bind-interfaces",
		"--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file", "--user=root", "--address=/example.test/192.0.2.1")
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		opens := map[string]func(context.Context) (net.Conn, error){
			"tcp": func(ctx context.Context) (net.Conn, error) {
				s, err := asyncio.OpenConnection(ctx, "tcp", p.addr())
				if err != nil {
					return nil, err
				}
				return s.Conn(), nil
			},
			"udp": func(ctx context.Context) (net.Conn, error) {
				return asyncio.OpenPacketConn(ctx, "udp", asyncio.WithRemoteAddr(p.addr()))
			},
		}
		for network, open := range opens {
			client := &dns.Client{Net: network}
			err := together(ctx, 5, func(ctx context.Context, _ int) error {
				c, err := open(ctx)
				if err != nil {
					return err
				}
				conn := &dns.Conn{Conn: c}
				defer conn.Close()
				for range 3 {
					q := new(dns.Msg).SetQuestion("host.example.test.", dns.TypeA)
					r, _, err := client.ExchangeWithConnContext(ctx, q, conn)
					if err != nil {
						return err
					}
					if a, ok := r.Answer[0].(*dns.A); !ok || a.A.String() != "192.0.2.1" {
						t.Errorf("%s: %v", network, r)
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", network, err)
			}
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", silent(t))
		if err != nil {
			return err
		}
		defer s.Close()
		err = endsInTime(t, ctx, "a silent server", func(ctx context.Context) error {
			q := new(dns.Msg).SetQuestion("host.example.test.", dns.TypeA)
			_, _, err := (&dns.Client{Net: "tcp"}).ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: s.Conn()})
			return err
		})
		if !isTimeout(err) {
			t.Error(err)
		}
		return nil
	})
}
