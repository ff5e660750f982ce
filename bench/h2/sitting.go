//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/bench/internal/turns"
)

// A sitting measures all rows in turns, so that what else the machine does falls on
// both sides alike.
type sitting struct {
	dir     string // files, keys, programs
	asyncio string // the command
	rounds  int
	scale   int // divides the numbers of requests
	only    string
}

// A row compares two ways to do the same. Each returns what it took.
type row struct {
	name   string
	unit   string
	want   float64 // the ratio that is wanted at most; 0: none
	ours   func() (float64, error)
	theirs func() (float64, error)
}

// sit prints the table. It needs h2load, nghttpd, nginx and curl.
func sit(rounds, scale int, only string) error {
	dir, err := os.MkdirTemp("", "sitting")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &sitting{dir: dir, asyncio: filepath.Join(dir, "asyncio"), rounds: rounds, scale: scale, only: only}
	if err := s.prepare(); err != nil {
		return err
	}
	rows := slices.Concat(s.serverRows(), s.clientRows(), s.memoryRows(), s.fileRows(), s.fetchRows())
	fmt.Printf("%-52s %10s %10s %7s %7s  (median of %d)\n", "", "ours", "theirs", "ratio", "wanted", rounds)
	ours, theirs := make([][]float64, len(rows)), make([][]float64, len(rows))
	for range rounds {
		for i, r := range rows {
			if !strings.Contains(r.name, only) {
				continue
			}
			for _, side := range []struct {
				what func() (float64, error)
				to   *[]float64
			}{{r.ours, &ours[i]}, {r.theirs, &theirs[i]}} {
				v, err := side.what()
				if err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
				*side.to = append(*side.to, v)
			}
		}
	}
	for i, r := range rows {
		if len(ours[i]) == 0 {
			continue
		}
		a, b := median(ours[i]), median(theirs[i])
		wanted := ""
		if r.want > 0 {
			wanted = fmt.Sprintf("%.2f", r.want)
		}
		fmt.Printf("%-52s %10.2f %10.2f %7.3f %7s  %s\n", r.name, a, b, a/b, wanted, r.unit)
	}
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func (s *sitting) prepare() error {
	for name, size := range map[string]int{"64": 64, "16k": 16 << 10, "300k": 300_000, "10m": 10 << 20} {
		if err := os.WriteFile(filepath.Join(s.dir, name), bytes.Repeat([]byte("x"), size), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { // for nginx
		return err
	}
	urls := ""
	for i := range 1000 {
		name := fmt.Sprint("u", i)
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(strings.Repeat(name, 200)), 0o644); err != nil {
			return err
		}
		urls += name + "\n"
	}
	if err := os.WriteFile(filepath.Join(s.dir, "names"), []byte(urls), 0o644); err != nil {
		return err
	}
	if err := s.makeKeys(); err != nil {
		return err
	}
	out, err := exec.Command("go", "build", "-o", s.asyncio, "github.com/asyncio-go/asyncio/cmd/asyncio").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

func (s *sitting) makeKeys() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.cert(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644),
		os.WriteFile(s.key(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}

func (s *sitting) cert() string { return filepath.Join(s.dir, "cert.pem") }
func (s *sitting) key() string  { return filepath.Join(s.dir, "key.pem") }

// during starts a server, has load use it, ends it, and returns what it took.
func during(address string, load func() error, name string, args ...string) (time.Duration, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	return turns.During(address, cmd, load)
}

// free returns an address that nobody listens at.
func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

// quiet runs a program whose output is of interest only when it fails.
func quiet(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

func (s *sitting) serverRows() []row {
	var rows []row
	for _, t := range []struct {
		name  string
		path  string
		tls   bool
		n     int
		conns int
		many  int
		want  float64
	}{
		{"server: 64 B, 10 connections of 100 streams", "/", false, 200_000, 10, 100, 0.15},
		{"server: 64 B, 10 connections of one stream", "/", false, 100_000, 10, 1, 0.4},
		{"server: 64 B, one and one", "/", false, 40_000, 1, 1, 0.65},
		{"server: 16 KiB h2c, 10 connections of 100 streams", "/16k", false, 60_000, 10, 100, 0.3},
		{"server: 16 KiB TLS, 10 connections of 100 streams", "/16k", true, 60_000, 10, 100, 0.5},
		{"server: HTTP/1.1, 64 B, 10 connections", "/", false, 100_000, 10, 0, 1},
	} {
		n := t.n / s.scale
		side := func(kind string) func() (float64, error) {
			return func() (float64, error) {
				address := free()
				args := []string{"serve", kind, address}
				scheme := "http://"
				if t.tls {
					args, scheme = append(args, s.cert(), s.key()), "https://"
				}
				load := []string{"-n", strconv.Itoa(n), "-c", strconv.Itoa(t.conns), "-m", strconv.Itoa(max(1, t.many))}
				if t.many == 0 {
					load = append(load, "--h1")
				}
				took, err := during(address, func() error { return quiet("h2load", append(load, scheme+address+t.path)...) }, os.Args[0], args...)
				return each(took, n), err
			}
		}
		rows = append(rows, row{t.name, "us of CPU a request; theirs: net/http", t.want, side("loop"), side("net")})
	}
	return rows
}

func each(took time.Duration, n int) float64 { return float64(took.Nanoseconds()) / 1000 / float64(n) }

func (s *sitting) clientRows() []row {
	var rows []row
	for _, t := range []struct {
		name string
		path string
		tls  bool
		n    int
		conc int
		want float64
	}{
		{"client: 64 B, 100 at once", "/64", false, 60_000, 100, 0.35},
		{"client: 16 KiB h2c, 100 at once", "/16k", false, 30_000, 100, 0.5},
		{"client: 16 KiB TLS, 100 at once", "/16k", true, 30_000, 100, 0.75},
		{"client: 64 B, one at a time", "/64", false, 20_000, 1, 0.75},
	} {
		n := t.n / s.scale
		side := func(kind string) func() (float64, error) {
			return func() (float64, error) {
				address := free()
				_, port, _ := net.SplitHostPort(address)
				args, scheme := []string{"-a", "127.0.0.1", "-d", s.dir}, "https://"
				if t.tls {
					args = append(args, port, s.key(), s.cert())
				} else {
					args, scheme = append(args, "--no-tls", port), "http://"
				}
				var each float64
				_, err := during(address, func() error {
					cmd := exec.Command(os.Args[0], "get", kind, scheme+address+t.path, strconv.Itoa(n), strconv.Itoa(t.conc))
					cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
					out, err := cmd.CombinedOutput()
					if err == nil {
						var requests, bytes int
						_, err = fmt.Sscanf(string(out), "%d requests, %d bytes, %f us each", &requests, &bytes, &each)
					}
					if err != nil {
						err = fmt.Errorf("%w\n%s", err, out)
					}
					return err
				}, "nghttpd", args...)
				return each, err
			}
		}
		rows = append(rows, row{t.name, "us of CPU a request; theirs: net/http", t.want, side("loop"), side("net")})
	}
	return rows
}

func (s *sitting) memoryRows() []row {
	var rows []row
	for _, version := range []string{"1", "2"} {
		side := func(kind string) func() (float64, error) {
			return func() (float64, error) {
				address := free()
				var kb float64
				_, err := during(address, func() error {
					out, err := exec.Command(os.Args[0], "hold", version, address, strconv.Itoa(10_000/s.scale)).CombinedOutput()
					if err == nil {
						_, text, _ := strings.Cut(string(out), ", ")
						_, err = fmt.Sscanf(text, "%f KB each", &kb)
					}
					if err != nil {
						err = fmt.Errorf("%w\n%s", err, out)
					}
					return err
				}, os.Args[0], "serve", kind, address)
				return kb, err
			}
		}
		rows = append(rows, row{"memory: idle connections of HTTP/" + version, "KB each (wanted: 8 and 10); theirs: net/http", 0, side("loop"), side("net")})
	}
	return rows
}

// fileRows compare asyncio serve with nginx and net/http.
func (s *sitting) fileRows() []row {
	var rows []row
	for _, t := range []struct {
		name string
		file string
		n    int
	}{{"300 KB", "/300k", 20_000}, {"10 MB", "/10m", 1000}} {
		n := t.n / s.scale
		load := func(address string) func() error {
			return func() error {
				return quiet("h2load", "--h1", "-n", strconv.Itoa(n), "-c", "4", "http://"+address+t.file)
			}
		}
		ours := func() (float64, error) {
			address := free()
			took, err := during(address, load(address), s.asyncio, "serve", "-l", address, "--log", "none", s.dir)
			return each(took, n), err
		}
		nginx := func() (float64, error) {
			address := free()
			conf, err := s.nginxConf(address)
			if err != nil {
				return 0, err
			}
			took, err := during(address, load(address), "nginx", "-c", conf, "-p", s.dir)
			return each(took, n), err
		}
		net := func() (float64, error) {
			address := free()
			took, err := during(address, load(address), os.Args[0], "files", "net", address, s.dir)
			return each(took, n), err
		}
		rows = append(rows,
			row{"asyncio serve: " + t.name + " beside nginx", "us of CPU a request", 1.1, ours, nginx},
			row{"asyncio serve: " + t.name + " beside net/http", "us of CPU a request", 1, ours, net})
	}
	return rows
}

func (s *sitting) nginxConf(address string) (string, error) {
	name := filepath.Join(s.dir, "nginx.conf")
	return name, os.WriteFile(name, []byte(fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 256; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen %[2]s; root %[1]s; }
}`, s.dir, address)), 0o644)
}

// fetchRows compare asyncio fetch with curl on a thousand URLs of one https host.
func (s *sitting) fetchRows() []row {
	with := func(run func(base string) *exec.Cmd) func() (float64, error) {
		return func() (float64, error) {
			address := free()
			_, port, _ := net.SplitHostPort(address)
			var took time.Duration
			_, err := during(address, func() error {
				cmd := run("https://" + address)
				out, err := cmd.CombinedOutput()
				if err != nil {
					return fmt.Errorf("%w\n%.500s", err, out)
				}
				took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				return nil
			}, "nghttpd", "-a", "127.0.0.1", "-d", s.dir, port, s.key(), s.cert())
			return float64(took.Microseconds()) / 1000, err
		}
	}
	list := func(base string, line func(url string) string) string {
		var b strings.Builder
		for i := range 1000 {
			b.WriteString(line(fmt.Sprint(base, "/u", i)))
		}
		return b.String()
	}
	ours := func(base string) *exec.Cmd {
		cmd := exec.Command(s.asyncio, "fetch", "-sS", "-k", "-i", "-", "-o", "/dev/null")
		cmd.Stdin = strings.NewReader(list(base, func(url string) string { return url + "\n" }))
		return cmd
	}
	curl := func(base string) *exec.Cmd {
		cmd := exec.Command("curl", "-sS", "-k", "--parallel", "--parallel-max", "100", "-K", "-")
		cmd.Stdin = strings.NewReader(list(base, func(url string) string { return "url=" + url + "\noutput=/dev/null\n" }))
		return cmd
	}
	return []row{{"fetch: 1,000 URLs of one https host beside curl", "ms of CPU", 1, with(ours), with(curl)}}
}
