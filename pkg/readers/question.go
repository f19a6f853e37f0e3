package readers

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A question to a name server is put here, and not by the system's resolver: that
// one would also look into /etc/hosts, and says of an answer that is none only
// that there is no such host.

// tries is how often a question is sent over UDP, which may lose it.
const tries = 3

// question asks the reader's server for the addresses of one family. An answer
// that is cut off is asked for again over TCP.
func (a asker) question(ctx context.Context, r Reader, family dnsmessage.Type) ([]address, error) {
	q, err := newQuestion(r.Target, family)
	if err != nil {
		return nil, err
	}
	how := "name server " + r.server
	reply, err := a.overUDP(ctx, r.server, q)
	if err == nil && reply.Truncated {
		how += " over TCP, since its answer is too long for UDP"
		reply, err = overTCP(ctx, r.server, q)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", how, a.explain(ctx, err, ""))
	}
	return q.addresses(reply)
}

// question is one, and as it is sent.
type question struct {
	dnsmessage.Message
	packet []byte
}

func newQuestion(name string, family dnsmessage.Type) (question, error) {
	whole, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return question{}, fmt.Errorf("%q is no name that a server can be asked for", printable(name))
	}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return question{}, err
	}
	q := question{Message: dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: whole, Type: family, Class: dnsmessage.ClassINET}},
	}}
	if q.packet, err = q.Pack(); err != nil {
		return question{}, fmt.Errorf("%q is no name that a server can be asked for", printable(name))
	}
	return q, nil
}

// errNoReply says that what came is no reply to the question.
var errNoReply = errors.New("what it answers is no reply to the question")

// reply reads a reply to the question; anything else is an error.
func (q question) reply(packet []byte) (dnsmessage.Message, error) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil || m.ID != q.ID || !m.Response {
		return m, errNoReply
	}
	if asked := q.Questions[0]; len(m.Questions) != 1 || m.Questions[0].Type != asked.Type || !sameName(m.Questions[0].Name, asked.Name) {
		return m, errNoReply
	}
	return m, nil
}

func sameName(a, b dnsmessage.Name) bool { return strings.EqualFold(a.String(), b.String()) }

// overUDP asks until there is a reply. Other packets may be of anybody.
func (a asker) overUDP(ctx context.Context, server string, q question) (dnsmessage.Message, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", server)
	if err != nil {
		return dnsmessage.Message{}, err
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	packet := make([]byte, 64<<10)
	for {
		if _, err := conn.Write(q.packet); err != nil {
			return dnsmessage.Message{}, err
		}
		reply, err := awaitReply(ctx, conn, q, packet, a.timeout/tries)
		if wait := net.Error(nil); ctx.Err() != nil || !errors.As(err, &wait) || !wait.Timeout() {
			return reply, err
		}
	}
}

// awaitReply waits for so long for a reply.
func awaitReply(ctx context.Context, conn net.Conn, q question, packet []byte, wait time.Duration) (dnsmessage.Message, error) {
	until := time.Now().Add(wait)
	if end, limited := ctx.Deadline(); limited && end.Before(until) {
		until = end
	}
	if err := conn.SetReadDeadline(until); err != nil {
		return dnsmessage.Message{}, err
	}
	for {
		n, err := conn.Read(packet)
		if err != nil {
			return dnsmessage.Message{}, err
		}
		if reply, err := q.reply(packet[:n]); err == nil {
			return reply, nil
		}
	}
}

func overTCP(ctx context.Context, server string, q question) (dnsmessage.Message, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return dnsmessage.Message{}, err
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	if end, limited := ctx.Deadline(); limited {
		if err := conn.SetDeadline(end); err != nil {
			return dnsmessage.Message{}, err
		}
	}
	sized := append(binary.BigEndian.AppendUint16(nil, uint16(len(q.packet))), q.packet...)
	if _, err := conn.Write(sized); err != nil { // at once: there are servers that read no further
		return dnsmessage.Message{}, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return dnsmessage.Message{}, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, packet); err != nil {
		return dnsmessage.Message{}, err
	}
	return q.reply(packet)
}

// errNoName says that a name does not exist, as opposed to one without addresses.
var errNoName = errors.New("the name server answers that there is no such name (NXDOMAIN): is the name right?")

// address is one that a name server answers with.
type address struct {
	netip.Addr
	ttl           int64
	authoritative bool // the answer is not from a cache, where the TTL runs down
}

// addresses returns those in a reply, of the name or of what it is an alias of.
func (q question) addresses(reply dnsmessage.Message) ([]address, error) {
	asked := q.Questions[0]
	switch reply.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return nil, errNoName
	default:
		return nil, fmt.Errorf("the name server answers %s to the question for %s", rcodeWord(reply.RCode), strings.TrimPrefix(asked.Type.String(), "Type"))
	}
	name := asked.Name
	var found []address
	for _, a := range reply.Answers { // each alias before what it leads to
		if !sameName(a.Header.Name, name) {
			continue
		}
		one := address{ttl: int64(a.Header.TTL), authoritative: reply.Authoritative}
		switch body := a.Body.(type) {
		case *dnsmessage.CNAMEResource:
			name = body.CNAME
			continue
		case *dnsmessage.AResource:
			one.Addr = netip.AddrFrom4(body.A)
		case *dnsmessage.AAAAResource:
			one.Addr = netip.AddrFrom16(body.AAAA).Unmap()
		default:
			continue
		}
		found = append(found, one)
	}
	return found, nil
}

// rcodeWord is how name servers' administrators call a code.
func rcodeWord(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return fmt.Sprintf("with code %d", c)
}
