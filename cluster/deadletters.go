package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoDeadLetter is the error for a number that no dead letter has (any more).
var ErrNoDeadLetter = errors.New("cluster: there is no such dead letter")

// A DeadLetter is a job that has failed for the last time: one with [WithRetry] or
// [WithKey], one whose function no worker knows, or one whose workers have died each
// time. The newest 10,000 are kept, for 30 days.
type DeadLetter struct {
	Number   uint64    // by which it is retried or dropped
	Time     time.Time // when it failed, by the clock of NATS
	Function string    // as it was registered
	Key      string    // empty for a job without one
	Err      error     // a [*JobError]
}

// DeadLetters returns the dead letters with numbers above after, oldest first, and at
// most limit of them. It suspends the running task.
func (c *Client) DeadLetters(ctx context.Context, after uint64, limit int) ([]DeadLetter, error) {
	return onThread(ctx, c, func(ctx context.Context) ([]DeadLetter, error) {
		stream, err := c.deadStream(ctx)
		if err != nil {
			return nil, err
		}
		var all []DeadLetter
		for len(all) < limit {
			m, err := stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(c.streams.deadSubject("*.*")))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				break
			}
			if err != nil {
				return all, fmt.Errorf("cluster: read the dead letters: %w", err)
			}
			after = m.Sequence
			j, r, err := decodeLetter(m.Data)
			if err != nil {
				return all, fmt.Errorf("cluster: dead letter %d: %w", m.Sequence, err)
			}
			all = append(all, DeadLetter{m.Sequence, m.Time, j.function, j.key, r.failure(j.function)})
		}
		return all, nil
	})
}

// RetryDeadLetter submits the job of a dead letter again, as if for the first time,
// and drops the letter. Nobody waits for it: whoever wants its result submits a job
// with the same key. It suspends the running task.
func (c *Client) RetryDeadLetter(ctx context.Context, number uint64) error {
	_, err := onThread(ctx, c, func(ctx context.Context) (struct{}, error) {
		stream, j, err := c.letter(ctx, number)
		if err != nil {
			return struct{}{}, err
		}
		// The number is its own, so that what is tried again counts from the beginning,
		// and the same one when this is cut off before the letter is dropped.
		j.id, j.reply = c.name+".d"+fmt.Sprint(number), ""
		var opts []jetstream.PublishOpt
		subject := c.streams.jobSubject(c.name, "d"+fmt.Sprint(number))
		if j.key != "" {
			subject = c.streams.keySubject(hashOf(j.function, j.key))
			opts = append(opts, jetstream.WithExpectLastSequencePerSubject(0))
		}
		_, err = c.streams.js.Publish(ctx, subject, j.encode(), opts...)
		var refused *jetstream.APIError
		if errors.As(err, &refused) && refused.ErrorCode == codeWrongLast {
			err = nil // the job of this key is under way already
		}
		if err == nil {
			err = stream.DeleteMsg(ctx, number)
		}
		if err != nil {
			return struct{}{}, fmt.Errorf("cluster: retry dead letter %d: %w", number, err)
		}
		return struct{}{}, nil
	})
	return err
}

// DropDeadLetter removes a dead letter for good. It suspends the running task.
func (c *Client) DropDeadLetter(ctx context.Context, number uint64) error {
	_, err := onThread(ctx, c, func(ctx context.Context) (struct{}, error) {
		stream, j, err := c.letter(ctx, number)
		if err == nil {
			if err = stream.DeleteMsg(ctx, number); err != nil {
				err = fmt.Errorf("cluster: drop dead letter %d: %w", number, err)
			}
		}
		if err == nil && j.object {
			c.streams.dropObject(ctx, string(j.arg))
		}
		return struct{}{}, err
	})
	return err
}

// letter reads a dead letter.
func (c *Client) letter(ctx context.Context, number uint64) (jetstream.Stream, job, error) {
	stream, err := c.deadStream(ctx)
	if err != nil {
		return nil, job{}, err
	}
	m, err := stream.GetMsg(ctx, number)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNoDeadLetter
	}
	if err != nil {
		return nil, job{}, fmt.Errorf("cluster: read dead letter %d: %w", number, err)
	}
	j, _, err := decodeLetter(m.Data)
	return stream, j, err
}

func (c *Client) deadStream(ctx context.Context) (jetstream.Stream, error) {
	stream, err := c.streams.js.Stream(ctx, c.streams.dead)
	if err != nil {
		return nil, fmt.Errorf("cluster: open the dead letters: %w", err)
	}
	return stream, nil
}

// onThread asks NATS something on a goroutine of the executor.
func onThread[T any](ctx context.Context, c *Client, fn func(context.Context) (T, error)) (T, error) {
	if c.closing {
		var zero T
		return zero, ErrClosed
	}
	var v T
	err := c.place.beside(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, setupTime)
		defer cancel()
		v, err = fn(ctx)
		return err
	})
	return v, err
}
