package simnats

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// failure is the answer that says what is wrong.
func failure(code, number int, description string) any {
	return map[string]any{"error": map[string]any{"code": code, "err_code": number, "description": description}}
}

// reply sends an answer, if one is wanted.
func (e *Engine) reply(to string, answer any) {
	if to == "" {
		return
	}
	data, err := json.Marshal(answer)
	if err != nil {
		panic(err) // answers are maps of numbers and strings
	}
	e.pass(message{subject: to, data: data})
}

// acknowledge takes what a worker says of a message: $JS.ACK.<stream>.<consumer>.
// <delivered>.<seq>...
func (e *Engine) acknowledge(m message) {
	words := strings.Split(m.subject, ".")
	if len(words) != 9 {
		return
	}
	s := e.streams[words[2]]
	seq, err := strconv.ParseUint(words[5], 10, 64)
	if s == nil || s.consumer == nil || err != nil {
		return
	}
	var of *stored
	for _, o := range s.messages {
		if o.seq == seq && strconv.FormatInt(o.time, 10) == words[7] {
			of = o
		}
	}
	if of == nil || !of.leased {
		return
	}
	now := e.now()
	switch verb, rest, _ := strings.Cut(string(m.data), " "); verb {
	case "+ACK":
		s.remove(func(o *stored) bool { return o == of })
	case "+WPI":
		of.until = now + s.consumer.config.AckWait
	case "-NAK":
		var how struct {
			Delay time.Duration `json:"delay"`
		}
		_ = json.Unmarshal([]byte(rest), &how) // without one it is at once
		of.leased, of.until = false, now+how.Delay
	}
	e.deliver(s)
}

// answer answers a question.
func (e *Engine) answer(m message) {
	what, rest := strings.TrimPrefix(m.subject, "$JS.API."), ""
	for _, verb := range []string{
		"STREAM.CREATE.", "STREAM.INFO.", "STREAM.PURGE.", "CONSUMER.CREATE.", "CONSUMER.INFO.", "CONSUMER.MSG.NEXT.",
		"DIRECT.GET.", "$SIM.PUT.", "$SIM.GET.", "$SIM.DELETE.",
	} {
		if strings.HasPrefix(what, verb) {
			what, rest = verb, what[len(verb):]
			break
		}
	}
	name, rest, _ := strings.Cut(rest, ".")
	if strings.HasPrefix(what, "$SIM.") {
		e.value(what, name, m)
		return
	}
	s := e.streams[name]
	if s == nil && what != "STREAM.CREATE." {
		if what == "DIRECT.GET." || what == "CONSUMER.MSG.NEXT." {
			e.status(m.reply, "503", "No Responders", nil)
		} else {
			e.reply(m.reply, failure(404, codeNoStream, errNoStream.Error()))
		}
		return
	}
	if s != nil {
		s.expire()
	}
	switch what {
	case "STREAM.CREATE.":
		e.reply(m.reply, e.create(name, m.data))
	case "STREAM.INFO.":
		e.reply(m.reply, s.info(m.data))
	case "STREAM.PURGE.":
		var how struct {
			Filter string `json:"filter"`
		}
		_ = json.Unmarshal(m.data, &how) // an empty filter is all
		n := s.remove(func(o *stored) bool { return how.Filter == "" || matches(how.Filter, o.subject) })
		e.reply(m.reply, map[string]any{"success": true, "purged": n})
	case "CONSUMER.CREATE.":
		e.reply(m.reply, s.consume(m.data))
	case "CONSUMER.INFO.":
		if s.consumer == nil {
			e.reply(m.reply, failure(404, codeNoConsumer, "consumer not found"))
			return
		}
		e.reply(m.reply, map[string]any{"config": s.consumer.config})
	case "CONSUMER.MSG.NEXT.":
		e.pull(s, m)
	case "DIRECT.GET.":
		e.get(s, rest, m)
	}
}

// create makes a stream.
func (e *Engine) create(name string, data []byte) any {
	if e.streams[name] != nil {
		return failure(400, codeStreamExists, "stream name already in use")
	}
	s := &stream{engine: e}
	if err := json.Unmarshal(data, &s.config); err != nil {
		return failure(400, 0, err.Error())
	}
	e.streams[name] = s
	return map[string]any{"config": s.config}
}

// info tells what a stream has, of the subjects that are asked for.
func (s *stream) info(data []byte) any {
	var how struct {
		Filter string `json:"subjects_filter"`
	}
	_ = json.Unmarshal(data, &how) // none is asked for
	subjects := make(map[string]int)
	for _, m := range s.messages {
		if how.Filter != "" && matches(how.Filter, m.subject) {
			subjects[m.subject]++
		}
	}
	return map[string]any{"config": s.config, "state": map[string]any{"messages": len(s.messages), "subjects": subjects}}
}

// consume makes the consumer of a stream.
func (s *stream) consume(data []byte) any {
	if s.consumer != nil {
		return failure(400, codeConsumer, "consumer already exists")
	}
	c := new(consumer)
	if err := json.Unmarshal(data, &c.config); err != nil {
		return failure(400, 0, err.Error())
	}
	s.consumer = c
	return map[string]any{"config": c.config}
}

// pull takes a question for messages.
func (e *Engine) pull(s *stream, m message) {
	var how struct {
		Expires time.Duration `json:"expires"`
		Batch   int           `json:"batch"`
	}
	if err := json.Unmarshal(m.data, &how); err != nil || s.consumer == nil || how.Batch <= 0 {
		e.status(m.reply, "409", "Bad Request", nil)
		return
	}
	s.consumer.pulls = append(s.consumer.pulls, &pull{m.reply, how.Batch, e.now() + how.Expires})
	e.deliver(s)
}

// get answers with the last messages of subjects.
func (e *Engine) get(s *stream, subject string, m message) {
	tell := func(o *stored) {
		header := map[string][]string{
			"Nats-Stream": {s.config.Name}, "Nats-Subject": {o.subject}, "Nats-Sequence": {strconv.FormatUint(o.seq, 10)},
		}
		e.pass(message{subject: m.reply, header: header, data: bytes.Clone(o.data)})
	}
	if subject != "" {
		if o := s.find(subject); o != nil {
			tell(o)
		} else {
			e.status(m.reply, "404", "Message Not Found", nil)
		}
		return
	}
	var how struct {
		Subjects []string `json:"multi_last"`
	}
	if err := json.Unmarshal(m.data, &how); err != nil {
		e.status(m.reply, "408", "Bad Request", nil)
		return
	}
	found := 0
	for _, subject := range how.Subjects {
		if o := s.find(subject); o != nil {
			found++
			tell(o)
		}
	}
	if found == 0 {
		e.status(m.reply, "404", "No Results", nil)
		return
	}
	e.status(m.reply, "204", "EOB", nil)
}

// value keeps large values, which are the disk's: the world's NATS has them in pieces.
func (e *Engine) value(what, bucket string, m message) {
	values := e.buckets[bucket]
	if values == nil {
		values = make(map[string][]byte)
		e.buckets[bucket] = values
	}
	name := m.get("Name")
	p, there := values[name]
	switch what {
	case "$SIM.PUT.":
		values[name] = m.data
	case "$SIM.DELETE.":
		delete(values, name)
	case "$SIM.GET.":
		if !there {
			e.reply(m.reply, failure(404, codeNoMessage, "object not found"))
			return
		}
		e.pass(message{subject: m.reply, header: map[string][]string{"Name": {name}}, data: p})
		return
	}
	e.reply(m.reply, map[string]any{"success": true})
}
