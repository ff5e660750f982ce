package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyTime is how long a server may take to start.
const readyTime = 30 * time.Second

// embedded is the server in this process.
type embedded struct {
	*server.Server
	url string // for workers
	dir string // to remove when it has ended; or empty
}

func startServer(o *options) (*embedded, error) {
	opts := new(server.Options)
	if o.config != "" {
		var err error
		if opts, err = server.ProcessConfigFile(o.config); err != nil {
			return nil, fmt.Errorf("--server-config: %w", err)
		}
	} else if err := listenAt(&opts.Host, &opts.Port, o.listen); err != nil {
		return nil, usagef("--listen %s: %w", o.listen, err)
	}
	if err := canListen(opts.Host, opts.Port); err != nil {
		return nil, err
	}
	opts.NoSigs, opts.JetStream = true, true
	e := new(embedded)
	if o.dir != "" {
		opts.StoreDir = o.dir
	}
	if opts.StoreDir == "" { // JetStream wants one for what is in memory, too
		dir, err := os.MkdirTemp("", "asyncio-node")
		if err != nil {
			return nil, err
		}
		e.dir, opts.StoreDir = dir, dir
	}
	started := false
	defer func() {
		if !started {
			e.removeDir()
		}
	}()
	if err := o.security(opts); err != nil {
		return nil, err
	}
	if err := o.membership(opts); err != nil {
		return nil, err
	}
	if o.serverLog != "" {
		opts.LogFile = o.serverLog
	}
	opts.NoLog = opts.LogFile == ""
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	e.Server = s
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(readyTime) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("the server does not get ready within %v: --server-log may say why", readyTime)
	}
	started = true
	e.url = o.workerURL(s.Addr().(*net.TCPAddr))
	return e, nil
}

// workerURL is where the workers of this machine find the server.
func (o *options) workerURL(at *net.TCPAddr) string {
	scheme := "nats"
	if o.tlsCert != "" {
		scheme = "tls"
	}
	if o.advertise != "" {
		return scheme + "://" + o.advertise
	}
	host, _, _ := net.SplitHostPort(o.listen)
	if at.IP.IsUnspecified() || host == "" {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(at.Port))
}

func (e *embedded) stop() {
	e.Shutdown()
	e.WaitForShutdown()
	e.removeDir()
}

func (e *embedded) removeDir() {
	if e.dir != "" {
		_ = os.RemoveAll(e.dir)
	}
}

// security sets who is let in.
func (o *options) security(opts *server.Options) error {
	if o.token != "" {
		opts.Authorization = o.token
	}
	if o.tlsCert == "" {
		return nil
	}
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: o.tlsCert, KeyFile: o.tlsKey, CaFile: o.tlsCA, Verify: o.tlsVerify})
	if err != nil {
		return fmt.Errorf("--tls-cert: %w", err)
	}
	config.MinVersion = tls.VersionTLS12
	opts.TLSConfig, opts.TLS, opts.TLSVerify = config, true, o.tlsVerify
	opts.TLSTimeout = 5
	return nil
}

// membership makes the server a member of a NATS cluster. Servers let each other in by
// the token, or by what stands in the URLs of the routes.
func (o *options) membership(opts *server.Options) error {
	if o.serverName != "" {
		opts.ServerName = o.serverName
	}
	if o.clusterName == "" {
		return nil
	}
	opts.Cluster.Name = o.clusterName
	if err := listenAt(&opts.Cluster.Host, &opts.Cluster.Port, o.clusterAt); err != nil {
		return usagef("--cluster-listen %s: %w", o.clusterAt, err)
	}
	const user = "asyncio-node"
	if o.token != "" {
		opts.Cluster.Username, opts.Cluster.Password = user, o.token
	}
	for _, r := range o.routes {
		u, err := url.Parse(r)
		if err != nil || u.Host == "" {
			return usagef("--routes: %q is not of the form nats://HOST:PORT", r)
		}
		if u.User != nil {
			opts.Cluster.Username = u.User.Username()
			opts.Cluster.Password, _ = u.User.Password()
		} else if o.token != "" {
			u.User = url.UserPassword(user, o.token)
		}
		opts.Routes = append(opts.Routes, u)
	}
	if opts.Cluster.Username == "" {
		return o.checkListen("--cluster-listen", o.clusterAt)
	}
	return nil
}

// canListen finds out at once what the server would only log.
func canListen(host string, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(max(port, 0))))
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	return l.Close()
}

func listenAt(host *string, port *int, address string) error {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return errors.New("the port is not a number from 0 to 65535")
	}
	*host, *port = h, int(n)
	if n == 0 {
		*port = server.RANDOM_PORT
	}
	return nil
}
