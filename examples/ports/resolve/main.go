// Command resolve asks name servers, over UDP and where it must over TCP, as the
// asynchronous resolver of dnspython does (dns.asyncresolver, dns.asyncquery).
//
//	resolve [-servers HOST:PORT,...] [-type A] [-lifetime 5s] NAME...
//
// The same as there: name servers are asked one after another, round after round, each for
// two seconds; pauses between rounds grow from a tenth of a second to two; all of it has a
// lifetime. A datagram that does not fit the question is passed over. One that was cut is
// asked for again by TCP. A name that is not there is an error of its own, and one without
// a record of the type, too.
//
// Other than there: all names are asked at the same time. Aliases are followed in the
// answer, and not asked for again. There is no EDNS, no cache and no search list.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/asyncio-go/asyncio"
)

const (
	firstRest = 100 * time.Millisecond // between rounds
	lastRest  = 2 * time.Second
)

var (
	errNoName   = errors.New("the name is not there")
	errNoAnswer = errors.New("the name has no record of the type")
)

// A resolver asks some name servers.
type resolver struct {
	servers  []string
	patience time.Duration // with one server
	lifetime time.Duration // of it all
}

var types = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "MX": dnsmessage.TypeMX, "NS": dnsmessage.TypeNS, "TXT": dnsmessage.TypeTXT,
}

func main() {
	servers := flag.String("servers", "127.0.0.1:53", "the name servers, with ports")
	kind := flag.String("type", "A", "A, AAAA, MX, NS or TXT")
	r := &resolver{patience: 2 * time.Second}
	flag.DurationVar(&r.lifetime, "lifetime", 5*time.Second, "how long all of it may take")
	flag.Parse()
	r.servers = strings.Split(*servers, ",")
	asyncio.Main(func(ctx context.Context) error {
		if flag.NArg() == 0 || types[*kind] == 0 {
			return errors.New("usage: resolve [flags] NAME [NAME ...]")
		}
		return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
			for _, name := range flag.Args() {
				g.Go(func(ctx context.Context) error {
					records, err := r.resolve(ctx, name, types[*kind])
					if asyncio.IsCancelled(err) {
						return err
					}
					if err != nil {
						fmt.Printf("%s: %v\n", name, err)
					}
					for _, record := range records {
						fmt.Printf("%s: %s\n", name, record)
					}
					return nil
				})
			}
			return nil
		})
	})
}

// resolve returns the records of a name, as text.
func (r *resolver) resolve(ctx context.Context, name string, kind dnsmessage.Type) ([]string, error) {
	full, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, err
	}
	question := dnsmessage.Question{Name: full, Type: kind, Class: dnsmessage.ClassINET}
	var answer *dnsmessage.Message
	var last error // of a server
	err = asyncio.Timeout(ctx, r.lifetime, func(ctx context.Context) (err error) {
		for rest := firstRest; ; rest = min(2*rest, lastRest) {
			for _, server := range r.servers {
				answer, err = r.ask(ctx, server, question)
				if err == nil || asyncio.IsCancelled(err) {
					return err
				}
				last = fmt.Errorf("%s: %w", server, err)
			}
			if err := asyncio.Sleep(ctx, rest); err != nil {
				return err
			}
		}
	})
	switch {
	case err != nil:
		return nil, errors.Join(err, last)
	case answer.RCode == dnsmessage.RCodeNameError:
		return nil, errNoName
	}
	records := follow(answer, full, kind)
	if len(records) == 0 {
		return nil, errNoAnswer
	}
	return records, nil
}

// ask asks a server, and by TCP when its datagram was cut. What no other server would know
// better is no error.
func (r *resolver) ask(ctx context.Context, server string, question dnsmessage.Question) (answer *dnsmessage.Message, err error) {
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(rand.Uint32()), RecursionDesired: true},
		Questions: []dnsmessage.Question{question},
	}
	packet, err := query.Pack()
	if err != nil {
		return nil, err
	}
	err = asyncio.Timeout(ctx, r.patience, func(ctx context.Context) (err error) {
		answer, err = askUDP(ctx, server, packet)
		if err == nil && answer.Truncated {
			answer, err = askTCP(ctx, server, packet)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if code := answer.RCode; code != dnsmessage.RCodeSuccess && code != dnsmessage.RCodeNameError {
		return nil, fmt.Errorf("it answers %v", code)
	}
	return answer, nil
}

func askUDP(ctx context.Context, server string, query []byte) (*dnsmessage.Message, error) {
	conn, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithRemoteAddr(server))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	packet := make([]byte, 64<<10)
	for {
		n, err := conn.Read(packet)
		if err != nil {
			return nil, err
		}
		if answer := answerTo(query, packet[:n]); answer != nil {
			return answer, nil
		}
	}
}

// askTCP asks over a connection, where each message has its length before it.
func askTCP(ctx context.Context, server string, query []byte) (*dnsmessage.Message, error) {
	s, err := asyncio.OpenConnection(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if _, err := s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(s, length[:]); err != nil {
		return nil, err
	}
	packet, err := s.ReadExactly(ctx, int(binary.BigEndian.Uint16(length[:])))
	if err != nil {
		return nil, err
	}
	if answer := answerTo(query, packet); answer != nil {
		return answer, nil
	}
	return nil, errors.New("the answer does not fit the question")
}

// answerTo returns the message in a packet if it answers the query, and nil if not.
func answerTo(query, packet []byte) *dnsmessage.Message {
	var asked, answer dnsmessage.Message
	if asked.Unpack(query) != nil || answer.Unpack(packet) != nil {
		return nil
	}
	if !answer.Response || answer.ID != asked.ID || len(answer.Questions) != 1 || answer.Questions[0].Type != asked.Questions[0].Type ||
		!strings.EqualFold(answer.Questions[0].Name.String(), asked.Questions[0].Name.String()) {
		return nil
	}
	return &answer
}

// follow returns the records of a name and of what it is an alias of.
func follow(answer *dnsmessage.Message, name dnsmessage.Name, kind dnsmessage.Type) (records []string) {
	for range len(answer.Answers) + 1 { // an alias may be its own
		alias := ""
		for _, record := range answer.Answers {
			if !strings.EqualFold(record.Header.Name.String(), name.String()) {
				continue
			}
			if c, ok := record.Body.(*dnsmessage.CNAMEResource); ok {
				alias, name = c.CNAME.String(), c.CNAME
				break
			}
			if record.Header.Type == kind {
				records = append(records, text(record.Body))
			}
		}
		if alias == "" {
			break
		}
	}
	return records
}

func text(body dnsmessage.ResourceBody) string {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(b.A).String()
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(b.AAAA).String()
	case *dnsmessage.MXResource:
		return fmt.Sprintf("%d %s", b.Pref, b.MX)
	case *dnsmessage.NSResource:
		return b.NS.String()
	case *dnsmessage.TXTResource:
		return strings.Join(b.TXT, "")
	}
	return fmt.Sprint(body)
}
