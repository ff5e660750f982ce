package asynchttp

import (
	"net/http"
	"time"
)

// dateLine is the Date header, made once a second.
type dateLine struct {
	second int64
	text   string
}

func (d *dateLine) line() string {
	now := time.Now()
	if s := now.Unix(); s != d.second {
		d.second = s
		d.text = "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"
	}
	return d.text
}
