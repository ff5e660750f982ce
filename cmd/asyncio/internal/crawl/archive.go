package crawl

import (
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/warc"
)

// archive writes the exchanges of a crawl into WARC files.
type archive struct {
	w *warc.Writer
}

func newArchive(o *Options) (*archive, error) {
	w, err := warc.NewWriter(o.WARC, o.WARCSize, UserAgent)
	if err != nil {
		return nil, err
	}
	return &archive{w}, nil
}

// add writes the exchange of a page, if there was one.
func (a *archive) add(p *page) error {
	if p.resp == nil || p.found || p.resp.ResponseHead == nil {
		return nil
	}
	e := &warc.Exchange{
		URL: p.resp.URL, Time: time.Now(), Request: p.resp.RequestHead, Response: p.resp.ResponseHead, Payload: p.resp.Raw,
		Metadata: []warc.Field{
			{Name: "fetchTimeMs", Value: strconv.FormatInt(p.resp.Times.Total.Milliseconds(), 10)},
			{Name: "hopsFromSeed", Value: strconv.Itoa(int(p.job.Depth))},
		},
	}
	if p.resp.Remote.IsValid() {
		e.Addr = p.resp.Remote.Addr().String()
	}
	return a.w.Write(e)
}

func (a *archive) flush(sync bool) error {
	if !sync {
		return nil
	}
	return a.w.Sync()
}

func (a *archive) close() error { return a.w.Close() }
