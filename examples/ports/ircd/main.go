// Command ircd is a small IRC server, as irc3d of Python's irc3 is.
//
//	ircd [ADDRESS]
//
// The same as there: one server without links to others; NICK, USER, PING, JOIN, PART,
// TOPIC, NAMES, PRIVMSG, NOTICE, WHOIS, MOTD and QUIT with the numbers of RFC 1459; who says
// nothing is sent a PING, and who does not answer has gone; a channel lives while somebody
// is in it.
//
// Other than there: no plugins and no commands of operators; a client that does not read is
// cut off when much waits for it, where there it is kept for ever.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

const (
	host      = "irc.example"
	maxLine   = 512
	maxBehind = 64 << 10 // bytes that may wait for a client
)

// A server is the state that all clients share. It has no lock: no command waits.
type server struct {
	silence  time.Duration // before a PING, and once more before the end
	clients  map[string]*client
	channels map[string]*channel
}

func newServer(silence time.Duration) *server {
	return &server{silence: silence, clients: map[string]*client{}, channels: map[string]*channel{}}
}

// A client is a connection. It is among the clients once it has a nick and a user.
type client struct {
	stream     *asyncio.Stream
	nick, user string
	name       string
	welcome    bool
	channels   map[string]*channel
}

// A channel is a name, a topic, and who is there.
type channel struct {
	name, topic string
	members     map[*client]bool
}

func main() {
	address := "127.0.0.1:6667"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	asyncio.Main(func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", address, newServer(2*time.Minute).serve, asyncio.WithLimit(maxLine))
		if err != nil {
			return err
		}
		fmt.Println("listening at", srv.Addr())
		return srv.ServeForever(ctx)
	})
}

// errQuit ends a client that wants to go.
var errQuit = errors.New("quit")

// serve is the task of a client.
func (s *server) serve(ctx context.Context, stream *asyncio.Stream) error {
	c := &client{stream: stream, channels: map[string]*channel{}}
	why := "Connection closed"
	defer func() { s.leave(c, why) }()
	for pinged := false; ; {
		line, err := asyncio.TimeoutValue(ctx, s.silence, stream.ReadText)
		_, silent := errors.AsType[*asyncio.TimeoutError](err)
		switch {
		case asyncio.IsCancelled(err):
			return err
		case errors.Is(err, asyncio.ErrLineTooLong):
			why = "Line too long"
			return nil
		case silent && pinged:
			why = "Ping timeout"
			return nil
		case silent:
			pinged = true
			c.send("PING :%s", host)
			continue
		case err != nil:
			return nil // it has gone
		}
		pinged = false
		command, args := parse(line)
		if command == "" {
			continue
		}
		if err := s.handle(c, command, args); err != nil {
			why = strings.Join(append([]string{"Quit"}, args...), ": ")
			return nil
		}
	}
}

// parse takes a line apart: an optional prefix, a command, and its arguments, of which the
// last may have spaces.
func parse(line string) (command string, args []string) {
	if strings.HasPrefix(line, ":") {
		_, line, _ = strings.Cut(line, " ")
	}
	line, last, trailing := strings.Cut(line, " :")
	args = strings.Fields(line)
	if trailing {
		args = append(args, last)
	}
	if len(args) == 0 {
		return "", nil
	}
	return strings.ToUpper(args[0]), args[1:]
}

// send queues a line for a client. It does not wait: a client for whom too much waits is
// cut off.
func (c *client) send(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	written, err := c.stream.TryWrite([]byte(line+"\r\n"), maxBehind)
	if err == nil && !written { // after an error its reader notices that it has gone
		c.stream.Abort()
	}
}

// reply sends an answer with its number.
func (c *client) reply(number int, format string, args ...any) {
	nick := c.nick
	if nick == "" {
		nick = "*"
	}
	c.send(":%s %03d %s %s", host, number, nick, fmt.Sprintf(format, args...))
}

func (c *client) mask() string { return fmt.Sprintf("%s!%s@%s", c.nick, c.user, host) }

// A command has so many arguments at least, and may be for those alone who are known.
type command struct {
	args  int
	early bool
	run   func(s *server, c *client, args []string)
}

var commands = map[string]command{
	"NICK": {1, true, (*server).setNick}, "USER": {4, true, (*server).setUser}, "PING": {1, true, (*server).ping},
	"PONG": {0, true, func(*server, *client, []string) {}},
	"JOIN": {1, false, (*server).join}, "PART": {1, false, (*server).part}, "TOPIC": {1, false, (*server).setTopic},
	"NAMES": {1, false, (*server).names}, "WHOIS": {1, false, (*server).whois}, "MOTD": {0, false, (*server).motd},
	"PRIVMSG": {2, false, func(s *server, c *client, args []string) { s.say(c, "PRIVMSG", args) }},
	"NOTICE":  {2, false, func(s *server, c *client, args []string) { s.say(c, "NOTICE", args) }},
}

func (s *server) handle(c *client, name string, args []string) error {
	do, known := commands[name]
	switch {
	case name == "QUIT":
		return errQuit
	case !known:
		c.reply(421, "%s :Unknown command", name)
	case !c.welcome && !do.early:
		c.reply(451, ":You have not registered")
	case len(args) < do.args:
		c.reply(461, "%s :Not enough parameters", name)
	default:
		do.run(s, c, args)
	}
	return nil
}

var goodNick = regexp.MustCompile(`^[A-Za-z\[\]\\^_{|}][A-Za-z0-9\[\]\\^_{|}-]{0,15}$`)

func (s *server) setNick(c *client, args []string) {
	nick := args[0]
	if !goodNick.MatchString(nick) {
		c.reply(432, "%s :Erroneous nickname", nick)
		return
	}
	if other := s.clients[strings.ToLower(nick)]; other != nil && other != c {
		c.reply(433, "%s :Nickname is already in use", nick)
		return
	}
	delete(s.clients, strings.ToLower(c.nick))
	s.clients[strings.ToLower(nick)] = c
	if c.welcome {
		s.tell(c, true, ":%s NICK :%s", c.mask(), nick)
	}
	c.nick = nick
	s.greet(c)
}

func (s *server) setUser(c *client, args []string) {
	if c.welcome {
		c.reply(462, ":You may not reregister")
		return
	}
	c.user, c.name = args[0], args[3]
	s.greet(c)
}

func (s *server) greet(c *client) {
	if c.welcome || c.nick == "" || c.user == "" {
		return
	}
	c.welcome = true
	c.reply(1, ":Welcome, %s", c.mask())
	c.reply(4, "%s ircd o o", host)
	s.motd(c, nil)
}

func (s *server) motd(c *client, _ []string) {
	c.reply(375, ":- %s -", host)
	c.reply(372, ":- %d here, %d channels", len(s.clients), len(s.channels))
	c.reply(376, ":End of MOTD command")
}

func (s *server) ping(c *client, args []string) { c.send(":%s PONG %s :%s", host, host, args[0]) }

func (s *server) join(c *client, args []string) {
	for name := range strings.SplitSeq(args[0], ",") {
		key := strings.ToLower(name)
		if !strings.HasPrefix(name, "#") || len(name) < 2 {
			c.reply(403, "%s :No such channel", name)
			continue
		}
		if c.channels[key] != nil {
			continue
		}
		ch := s.channels[key]
		if ch == nil {
			ch = &channel{name: name, members: map[*client]bool{}}
			s.channels[key] = ch
		}
		ch.members[c], c.channels[key] = true, ch
		ch.send(nil, ":%s JOIN %s", c.mask(), ch.name)
		if ch.topic != "" {
			c.reply(332, "%s :%s", ch.name, ch.topic)
		}
		s.names(c, []string{name})
	}
}

// of returns the channel that a client is in.
func (s *server) of(c *client, name string) *channel {
	ch := c.channels[strings.ToLower(name)]
	if ch == nil {
		c.reply(442, "%s :You're not on that channel", name)
	}
	return ch
}

func (s *server) part(c *client, args []string) {
	for name := range strings.SplitSeq(args[0], ",") {
		if ch := s.of(c, name); ch != nil {
			ch.send(nil, ":%s PART %s :%s", c.mask(), ch.name, strings.Join(args[1:], " "))
			s.remove(c, ch)
		}
	}
}

// remove takes a client out of a channel, and with the last one the channel.
func (s *server) remove(c *client, ch *channel) {
	key := strings.ToLower(ch.name)
	delete(ch.members, c)
	delete(c.channels, key)
	if len(ch.members) == 0 {
		delete(s.channels, key)
	}
}

func (s *server) setTopic(c *client, args []string) {
	ch := s.of(c, args[0])
	switch {
	case ch == nil:
	case len(args) > 1:
		ch.topic = args[1]
		ch.send(nil, ":%s TOPIC %s :%s", c.mask(), ch.name, ch.topic)
	case ch.topic == "":
		c.reply(331, "%s :No topic is set", ch.name)
	default:
		c.reply(332, "%s :%s", ch.name, ch.topic)
	}
}

func (s *server) names(c *client, args []string) {
	if ch := s.channels[strings.ToLower(args[0])]; ch != nil {
		var nicks []string
		for member := range ch.members {
			nicks = append(nicks, member.nick)
		}
		slices.Sort(nicks)
		c.reply(353, "= %s :%s", ch.name, strings.Join(nicks, " "))
	}
	c.reply(366, "%s :End of NAMES list", args[0])
}

func (s *server) whois(c *client, args []string) {
	if other := s.clients[strings.ToLower(args[0])]; other != nil && other.welcome {
		c.reply(311, "%s %s %s * :%s", other.nick, other.user, host, other.name)
		c.reply(319, "%s :%s", other.nick, strings.Join(slices.Sorted(maps.Keys(other.channels)), " "))
	} else {
		c.reply(401, "%s :No such nick/channel", args[0])
	}
	c.reply(318, "%s :End of WHOIS list", args[0])
}

func (s *server) say(c *client, kind string, args []string) {
	for target := range strings.SplitSeq(args[0], ",") {
		key := strings.ToLower(target)
		line := fmt.Sprintf(":%s %s %s :%s", c.mask(), kind, target, args[1])
		if ch := s.channels[key]; ch != nil {
			if !ch.members[c] {
				c.reply(404, "%s :Cannot send to channel", target)
				continue
			}
			ch.send(c, "%s", line)
		} else if other := s.clients[key]; other != nil && other.welcome {
			other.send("%s", line)
		} else if kind != "NOTICE" { // to which nobody answers by itself
			c.reply(401, "%s :No such nick/channel", target)
		}
	}
}

// send tells all in a channel but one.
func (ch *channel) send(but *client, format string, args ...any) {
	for member := range ch.members {
		if member != but {
			member.send(format, args...)
		}
	}
}

// tell tells all who share a channel with a client, each once.
func (s *server) tell(c *client, self bool, format string, args ...any) {
	all := map[*client]bool{}
	for _, ch := range c.channels {
		maps.Copy(all, ch.members)
	}
	delete(all, c)
	if self {
		all[c] = true
	}
	for member := range all {
		member.send(format, args...)
	}
}

// leave is the end of a client.
func (s *server) leave(c *client, why string) {
	s.tell(c, false, ":%s QUIT :%s", c.mask(), why)
	for _, ch := range c.channels {
		s.remove(c, ch)
	}
	if s.clients[strings.ToLower(c.nick)] == c {
		delete(s.clients, strings.ToLower(c.nick))
	}
	c.send("ERROR :%s", why)
}
