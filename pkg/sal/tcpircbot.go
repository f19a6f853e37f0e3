package sal

import (
	"context"
	"fmt"
	"net"
)

// Bot is tcpircbot: what is written to a connection is said on a channel.
type Bot struct {
	Address string // host:port
}

var _ Sink = Bot{}

// Name is the sink's name in the outbox.
func (Bot) Name() string { return "tcpircbot" }

// Send says one message over a connection of its own, within the context's
// time. The bot does not answer, so that it was said is not certain.
func (b Bot) Send(ctx context.Context, message string) error {
	var d net.Dialer // tries both address families
	conn, err := d.DialContext(ctx, "tcp", b.Address)
	if err != nil {
		return fmt.Errorf("tcpircbot %s: %w", b.Address, short(err))
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return closeAfter(conn, fmt.Errorf("tcpircbot %s: %w", b.Address, err))
		}
	}
	if _, err := conn.Write([]byte(message)); err != nil {
		return closeAfter(conn, fmt.Errorf("tcpircbot %s: %w", b.Address, short(err)))
	}
	if err := conn.Close(); err != nil {
		return fmt.Errorf("tcpircbot %s: %w", b.Address, short(err))
	}
	return nil
}

// closeAfter closes a connection that failed already: the first error counts.
func closeAfter(conn net.Conn, err error) error {
	_ = conn.Close()
	return err
}

// short is the reason without the addresses, which are said already.
func short(err error) error {
	if op, ok := err.(*net.OpError); ok { //nolint:errorlint // the outermost is meant
		return op.Err
	}
	return err
}
