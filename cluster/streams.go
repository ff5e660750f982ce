package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of what is kept beside the jobs.
const (
	maxDeadLetters = 10_000
	maxResults     = 1_000_000
	maxTries       = 1_000_000
	maxPresences   = 100_000
	presenceTTL    = time.Minute
	triesTTL       = 24 * time.Hour
	deadLetterTTL  = 30 * 24 * time.Hour
)

// streams are the streams and subjects of a cluster, by its name.
//
// A job is one message of the stream jobs, which its acknowledgement removes. Its
// subject says whose it is, so one question about subjects tells a client which
// of its jobs are still there; that of a job with a key is made of the key, so
// NATS itself refuses a second one. Windows of message ids would not do: they
// end with the server.
type streams struct {
	name     string
	place    place
	nc       link
	js       jetstream.JetStream
	lease    time.Duration
	jobs     string // work queue: jobs that are not done
	results  string // results of jobs with a key
	dead     string // dead letters
	tries    string // what is remembered of a job between its deliveries
	workers  string // what each worker has told of itself last
	consumer string // of jobs, which all workers share
	bucket   string // large values
}

func newStreams(c *config, at place, nc link, js jetstream.JetStream) *streams {
	return &streams{
		name: c.name, place: at, nc: nc, js: js, lease: c.lease,
		jobs: c.name + "_jobs", results: c.name + "_results", dead: c.name + "_dead",
		tries: c.name + "_tries", workers: c.name + "_workers", consumer: "workers", bucket: c.name + "_values",
	}
}

func (s *streams) jobSubject(client string, n string) string {
	return s.name + ".job." + client + "." + n
}
func (s *streams) ofClient(client string) string  { return s.name + ".job." + client + ".*" }
func (s *streams) keySubject(hash string) string  { return s.name + ".key." + hash }
func (s *streams) resultOf(hash string) string    { return s.name + ".res." + hash }
func (s *streams) newsOf(hash string) string      { return s.name + ".news." + hash }
func (s *streams) deadSubject(id string) string   { return s.name + ".dead." + id }
func (s *streams) triesOf(id string) string       { return s.name + ".try." + id }
func (s *streams) cancelSubject() string          { return s.name + ".cancel" }
func (s *streams) workerSubject(id string) string { return s.name + ".worker." + id }
func (s *streams) api(request, stream string) string {
	return "$JS.API." + request + "." + stream
}

// hashOf makes a word for a subject of a function and a key.
func hashOf(function, key string) string {
	h := sha256.New()
	h.Write(appendText(nil, function))
	h.Write([]byte(key))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// ensure makes what there is not yet. Who comes first says how it is stored.
func (s *streams) ensure(ctx context.Context, c *config) error {
	storage := jetstream.MemoryStorage
	if c.file {
		storage = jetstream.FileStorage
	}
	all := []jetstream.StreamConfig{
		{
			Name: s.jobs, Subjects: []string{s.name + ".job.*.*", s.name + ".key.*"},
			Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxMsgs: c.queueLimit,
		},
		{Name: s.results, Subjects: []string{s.name + ".res.*"}, MaxMsgsPerSubject: 1, MaxMsgs: maxResults, MaxAge: c.resultTTL},
		{Name: s.dead, Subjects: []string{s.name + ".dead.*.*"}, MaxMsgs: maxDeadLetters, MaxAge: deadLetterTTL},
		{Name: s.tries, Subjects: []string{s.name + ".try.*.*"}, MaxMsgsPerSubject: 1, MaxMsgs: maxTries, MaxAge: triesTTL},
	}
	for i := range all {
		all[i].Storage, all[i].Replicas, all[i].AllowDirect = storage, c.replicas, true
	}
	// Told five times a second anyway, this is not worth a file.
	all = append(all, jetstream.StreamConfig{
		Name: s.workers, Subjects: []string{s.workerSubject("*")}, Storage: jetstream.MemoryStorage,
		MaxMsgsPerSubject: 1, MaxMsgs: maxPresences, MaxAge: presenceTTL,
	})
	for _, sc := range all {
		err := s.patiently(ctx, func(ctx context.Context) error {
			_, err := s.js.CreateStream(ctx, sc)
			return err
		})
		if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return fmt.Errorf("cluster: make stream %s: %w", sc.Name, err)
		}
	}
	err := s.patiently(ctx, func(ctx context.Context) error {
		_, err := s.js.CreateConsumer(ctx, s.jobs, jetstream.ConsumerConfig{
			Durable: s.consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.lease,
			// How often a job may be tried is counted by the workers: what NATS gives
			// up it leaves in the stream, and tells only those who listen just then.
			MaxDeliver: -1, MaxAckPending: -1, MaxWaiting: 16384,
		})
		return err
	})
	if err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
		return fmt.Errorf("cluster: make the consumer of stream %s: %w", s.jobs, err)
	}
	err = s.patiently(ctx, func(ctx context.Context) error {
		_, err := s.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: s.bucket, TTL: c.resultTTL, Storage: storage, Replicas: c.replicas,
		})
		return err
	})
	if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
		return fmt.Errorf("cluster: make the store of large values %s: %w", s.bucket, err)
	}
	return s.readLease(ctx)
}

// patiently asks NATS again while it has no answer: servers of a cluster that elect
// a leader drop what they are asked meanwhile.
func (s *streams) patiently(ctx context.Context, ask func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, answerTime/2)
		err := ask(once)
		cancel()
		var refused *jetstream.APIError
		waiting := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) ||
			errors.As(err, &refused) && (refused.ErrorCode == codeNoCluster || refused.ErrorCode == codeNoPeers)
		if !waiting || ctx.Err() != nil {
			return err
		}
		if s.place.pause(ctx, againTime) != nil {
			return err
		}
	}
}

// againTime is the pause after a question without an answer.
const againTime = 100 * time.Millisecond

// readLease learns the lease that is in force.
func (s *streams) readLease(ctx context.Context) error {
	c, err := s.js.Consumer(ctx, s.jobs, s.consumer)
	if err != nil {
		return fmt.Errorf("cluster: look at the consumer of stream %s: %w", s.jobs, err)
	}
	s.lease = c.CachedInfo().Config.AckWait
	return nil
}

// last returns the newest message of a subject, or nil when there is none.
func (s *streams) last(ctx context.Context, stream, subject string) (*nats.Msg, error) {
	m, err := s.nc.RequestWithContext(ctx, s.api("DIRECT.GET", stream)+"."+subject, nil)
	if err != nil {
		return nil, err
	}
	return found(m)
}

// found returns the message that NATS was asked for, or nil when there is none.
func found(m *nats.Msg) (*nats.Msg, error) {
	switch status := m.Header.Get("Status"); status {
	case "":
		return m, nil
	case "404":
		return nil, nil
	default:
		return nil, fmt.Errorf("NATS says %s %s", status, m.Header.Get("Description"))
	}
}

// putObject stores a large value.
func (s *streams) putObject(ctx context.Context, name string, p []byte) error {
	store, err := s.js.ObjectStore(ctx, s.bucket)
	if err == nil {
		_, err = store.PutBytes(ctx, name, p)
	}
	if err != nil {
		return fmt.Errorf("cluster: store a value of %d bytes: %w", len(p), err)
	}
	return nil
}

func (s *streams) getObject(ctx context.Context, name string) ([]byte, error) {
	store, err := s.js.ObjectStore(ctx, s.bucket)
	if err != nil {
		return nil, fmt.Errorf("cluster: fetch a large value: %w", err)
	}
	p, err := store.GetBytes(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cluster: fetch a large value: %w", err)
	}
	return p, nil
}

// dropObject removes a large value; one that stays is removed when its time is
// over.
func (s *streams) dropObject(ctx context.Context, name string) {
	if store, err := s.js.ObjectStore(ctx, s.bucket); err == nil {
		_ = store.Delete(ctx, name)
	}
}

// inlineLimit is how many bytes a value in a message may have.
func inlineLimit(nc link) int { return int(min(nc.MaxPayload()/2, 256<<10)) }
