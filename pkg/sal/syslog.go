package sal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Syslog is the system's log, spoken to as RFC 5424 has it.
type Syslog struct {
	Label string // the sink's name; syslog if empty
	Path  string // of the socket; /dev/log if empty
}

var _ Sink = Syslog{}

// Name is the sink's name in the outbox.
func (s Syslog) Name() string { return cmp.Or(s.Label, "syslog") }

// Kind says that each host has its own.
func (Syslog) Kind() Kind { return PerHost }

func (s Syslog) path() string { return cmp.Or(s.Path, "/dev/log") }

// Send hands one message to the socket. Syslog does not answer.
func (s Syslog) Send(ctx context.Context, d Delivery) error {
	if err := s.write(ctx, syslogLine(d)); err != nil {
		return fmt.Errorf("%s %s: %w", s.Name(), s.path(), short(err))
	}
	return nil
}

func (s Syslog) write(ctx context.Context, line []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unixgram", s.path())
	if errors.Is(err, syscall.EPROTOTYPE) { // it takes a stream, in which a newline ends a message
		line = append(line, '\n')
		conn, err = dialer.DialContext(ctx, "unix", s.path())
	}
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return closeAfter(conn, err)
		}
	}
	if _, err := conn.Write(line); err != nil {
		return closeAfter(conn, err)
	}
	return conn.Close()
}

// syslogLine is a message as RFC 5424 has it: facility user, severity notice.
// 32473 is the number that RFC 5612 sets aside for those who have none.
func syslogLine(d Delivery) []byte {
	const (
		priority   = 1*8 + 5
		mostParam  = 256
		mostSyslog = 2048 // which every receiver should take, says the RFC
	)
	r := d.whole()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%d>1 %s %s confctl - change [confctl@32473", priority,
		r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), syslogWord(r.Host.Name))
	for _, p := range [][2]string{{"id", d.ID}, {"user", r.User.Name}, {"action", r.Event.Action}} {
		if p[1] != "" {
			fmt.Fprintf(&b, ` %s="%s"`, p[0], syslogEscape(shorten(oneLine(p[1]), mostParam)))
		}
	}
	b.WriteString("] ")
	b.WriteString(shorten(oneLine(d.Message), mostSyslog-b.Len()))
	return b.Bytes()
}

// syslogWord is a field of the header, which is printable ASCII.
func syslogWord(s string) string {
	word := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, s)
	const most = 255
	return cmp.Or(word[:min(len(word), most)], "-")
}

func syslogEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(s)
}
