package node

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cluster"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

// options are those of the command line.
type options struct {
	name    string
	join    []string
	token   string
	creds   string
	tlsCA   string
	tlsCert string
	tlsKey  string

	program     []string
	workers     int
	grace       time.Duration
	every       time.Duration
	listen      string
	advertise   string
	noAuth      bool
	tlsVerify   bool
	store       string
	dir         string
	replicas    int
	queueLimit  int64
	config      string
	serverLog   string
	serverName  string
	clusterName string
	clusterAt   string
	routes      []string
}

// connection are the options of everybody who connects.
func (o *options) connection(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "asyncio", "the cluster's name, which clients give with WithName")
	f.StringSliceVar(&o.join, "join", nil, "use the NATS system at this `URL` (several with commas)")
	f.StringVar(&o.token, "token", os.Getenv("NATS_TOKEN"), "the token that lets one in; better in the environment, as NATS_TOKEN")
	f.StringVar(&o.creds, "creds", os.Getenv("NATS_CREDS"), "a `FILE` of credentials for --join")
	f.StringVar(&o.tlsCA, "tls-ca", os.Getenv("NATS_CA"), "a `FILE` of certificates of authorities to trust")
	f.StringVar(&o.tlsCert, "tls-cert", os.Getenv("NATS_CERT"), "a `FILE` with the certificate of the server, or for --join of the client")
	f.StringVar(&o.tlsKey, "tls-key", os.Getenv("NATS_KEY"), "a `FILE` with its key")
}

// server are the options of a member.
func (o *options) server(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVarP(&o.workers, "workers", "w", runtime.NumCPU(), "how many worker processes to keep running")
	f.DurationVar(&o.grace, "grace", 15*time.Second, "how long workers may take to leave")
	f.DurationVar(&o.every, "status-every", 0, "print the state of the cluster every so often")
	f.StringVar(&o.listen, "listen", "127.0.0.1:4222", "where the server listens; port 0 is a free one")
	f.StringVar(&o.advertise, "advertise", "", "HOST:PORT by which the workers of this node reach the server, where that is another")
	f.BoolVar(&o.noAuth, "no-auth", false, "let everybody in who reaches the server, also from other machines")
	f.BoolVar(&o.tlsVerify, "tls-verify", false, "let only those in who have a certificate of --tls-ca")
	f.StringVar(&o.store, "store", "memory", "where jobs are kept: memory, or file")
	f.StringVar(&o.dir, "dir", "", "the `DIRECTORY` of the file store")
	f.IntVar(&o.replicas, "replicas", 1, "how many servers of a NATS cluster keep each job")
	f.Int64Var(&o.queueLimit, "queue-limit", 1_000_000, "how many jobs may be in the cluster")
	f.StringVar(&o.config, "server-config", "", "a configuration `FILE` of nats-server, for what has no option here")
	f.StringVar(&o.serverLog, "server-log", "", "a `FILE` for what the server logs")
	f.StringVar(&o.serverName, "server-name", "", "the server's name in its NATS cluster, one that no other has")
	f.StringVar(&o.clusterName, "cluster", "", "the NATS cluster of which the server is a member")
	f.StringVar(&o.clusterAt, "cluster-listen", "", "HOST:PORT where it listens to other servers")
	f.StringSliceVar(&o.routes, "routes", nil, "other servers of the NATS cluster, as nats://HOST:PORT of their --cluster-listen")
}

// check says what is wrong with the options.
func (o *options) check(cmd *cobra.Command) error {
	own := []string{"listen", "advertise", "no-auth", "tls-verify", "store", "dir", "server-config", "server-log", "server-name", "cluster", "cluster-listen", "routes"}
	if len(o.join) > 0 {
		for _, name := range own {
			if cmd.Flags().Changed(name) {
				return usagef("--%s is for a server of one's own, and --join is to have none", name)
			}
		}
		if len(o.program) == 0 {
			return usagef("with --join there is nothing to do but run workers: give a program, behind --")
		}
	} else if o.creds != "" && cmd.Flags().Changed("creds") {
		return usagef("--creds is for --join; a server with accounts needs --server-config")
	}
	if len(o.program) > 0 {
		if _, err := exec.LookPath(o.program[0]); err != nil {
			return usagef("the worker program: %w", err)
		}
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return usagef("--tls-cert and --tls-key belong together")
	}
	switch {
	case o.workers < 0:
		return usagef("--workers %d: there cannot be fewer than none", o.workers)
	case o.replicas < 1 || o.replicas > 5:
		return usagef("--replicas %d: 1 to 5 servers can keep a job", o.replicas)
	case o.queueLimit < 1:
		return usagef("--queue-limit %d: no job could be submitted", o.queueLimit)
	case o.store != "memory" && o.store != "file":
		return usagef("--store %s: it is memory or file", o.store)
	case o.store == "file" && o.dir == "":
		return usagef("--store file needs --dir, where the files go")
	case o.tlsVerify && (o.tlsCert == "" || o.tlsCA == ""):
		return usagef("--tls-verify needs --tls-cert, --tls-key and --tls-ca")
	case (o.clusterName == "") != (o.clusterAt == ""):
		return usagef("--cluster and --cluster-listen belong together")
	case len(o.routes) > 0 && o.clusterName == "":
		return usagef("--routes needs --cluster and --cluster-listen")
	case o.clusterName != "" && o.serverName == "":
		return usagef("--cluster needs --server-name")
	}
	if len(o.join) > 0 || o.config != "" {
		return nil
	}
	return o.checkListen("--listen", o.listen)
}

// checkListen refuses to let the whole network in by mistake: who can submit jobs can
// have programs run.
func (o *options) checkListen(option, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("%s %s: %w", option, address, err)
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() || o.token != "" || o.tlsVerify || o.noAuth {
		return nil
	}
	return usagef("%s %s: everybody who reaches it could have jobs run: give --token or --tls-verify, or say --no-auth", option, address)
}

// client are the options of a connection to the cluster.
func (o *options) client() []cluster.Option {
	opts := []cluster.Option{cluster.WithName(o.name), cluster.WithReplicas(max(o.replicas, 1))}
	if o.store == "file" {
		opts = append(opts, cluster.WithFileStore())
	}
	if o.queueLimit > 0 {
		opts = append(opts, cluster.WithQueueLimit(o.queueLimit))
	}
	var n []nats.Option
	if o.token != "" {
		n = append(n, nats.Token(o.token))
	}
	if o.creds != "" && len(o.join) > 0 {
		n = append(n, nats.UserCredentials(o.creds))
	}
	if o.tlsCA != "" {
		n = append(n, nats.RootCAs(o.tlsCA))
	}
	if o.tlsCert != "" && (len(o.join) > 0 || o.tlsVerify) {
		n = append(n, nats.ClientCert(o.tlsCert, o.tlsKey))
	}
	return append(opts, cluster.WithNATS(n...))
}

// environment tells workers where the cluster is.
func (o *options) environment(url string) []string {
	all := []string{natslink.EnvNode + "=1", "NATS_URL=" + url}
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+"="+value)
		}
	}
	add("NATS_TOKEN", o.token)
	add("NATS_CA", o.tlsCA)
	if len(o.join) > 0 {
		add("NATS_CREDS", o.creds)
	}
	if len(o.join) > 0 || o.tlsVerify {
		add("NATS_CERT", o.tlsCert)
		add("NATS_KEY", o.tlsKey)
	}
	return all
}

// joined is where an existing NATS system is.
func (o *options) joined() string { return strings.Join(o.join, ",") }
