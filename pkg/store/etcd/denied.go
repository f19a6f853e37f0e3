package etcd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/conftool/confctl/pkg/store"
)

// need is a permission that a request takes.
type need struct {
	write    bool
	key, end string // a single key if end is empty
}

// denied is the error of a request that the user may not make. The server does
// not say which permission is missing, but it tells everybody their own.
func (s *Store) denied(ctx context.Context, c *call, l *link, err error) error {
	known := rpctypes.Error(err)
	e := &store.DeniedError{User: s.who, Err: saying(err, "%s", reason(err))}
	switch {
	case errors.Is(known, rpctypes.ErrAuthFailed):
		e.Err = saying(err, "wrong user or password")
	case errors.Is(known, rpctypes.ErrUserEmpty):
		e.Err = saying(err, "the store wants a user")
	default:
		e.Grant = missing(c.needs, s.permissions(ctx, l))
	}
	return e
}

// permissions returns what the user may do; nothing if that is not to be had.
func (s *Store) permissions(ctx context.Context, l *link) []*authpb.Permission {
	if s.who == "" {
		return nil
	}
	token, err := s.login(ctx, l)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(asking(ctx, token), s.cfg.Attempt)
	defer cancel()
	client := pb.NewAuthClient(l)
	user, err := client.UserGet(ctx, &pb.AuthUserGetRequest{Name: s.who})
	if err != nil {
		return nil
	}
	var all []*authpb.Permission
	for _, name := range user.Roles {
		role, err := client.RoleGet(ctx, &pb.AuthRoleGetRequest{Role: name})
		if err != nil {
			return nil
		}
		all = append(all, role.Perm...)
	}
	return all
}

// missing words the needs that no permission covers, such as
// "read /conftool/v1/pools/ and write /conftool/.confctl/".
func missing(needs []need, has []*authpb.Permission) string {
	var phrases []string
	for _, write := range []bool{false, true} {
		var lacking, granted []string
		for _, n := range needs {
			switch {
			case n.write != write:
			case slices.ContainsFunc(has, n.coveredBy):
				granted = append(granted, n.key)
			default:
				lacking = append(lacking, n.key)
			}
		}
		if len(lacking) > 0 {
			verb := map[bool]string{false: "read ", true: "write "}[write]
			phrases = append(phrases, verb+strings.Join(folders(lacking, granted), ", "))
		}
	}
	return strings.Join(phrases, " and ")
}

// coveredBy reports whether one permission is enough for a need.
func (n need) coveredBy(p *authpb.Permission) bool {
	if p.PermType != authpb.Permission_READWRITE && (p.PermType == authpb.Permission_WRITE) != n.write {
		return false
	}
	key, end := string(p.Key), string(p.RangeEnd)
	if end == "" {
		return n.end == "" && n.key == key
	}
	open := end == "\x00"
	return key <= n.key && (open || n.end == "" && n.key < end || n.end != "" && n.end <= end)
}

// folders are the largest folders that hold all lacking keys and none that is
// granted, but not larger than what the lacking keys have in common.
func folders(lacking, granted []string) []string {
	common := folder(lacking[0])
	for _, key := range lacking {
		for !strings.HasPrefix(key, common) {
			common = folder(strings.TrimSuffix(common, "/"))
		}
	}
	if common == "" {
		return lacking // keys in no folder
	}
	inside := func(key string) bool { return strings.HasPrefix(key, common) }
	if !slices.ContainsFunc(granted, inside) {
		return []string{common}
	}
	parts := make(map[string][]string)
	for _, key := range lacking {
		name, _, sub := strings.Cut(key[len(common):], "/")
		if sub {
			name += "/"
		}
		parts[common+name] = append(parts[common+name], key)
	}
	var found []string
	for name, keys := range parts {
		if !strings.HasSuffix(name, "/") || name == common {
			found = append(found, keys[0]) // a key beside granted ones
			continue
		}
		found = append(found, folders(keys, granted)...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// folder is a key up to its last slash; a folder is its own.
func folder(key string) string {
	return key[:strings.LastIndexByte(key, '/')+1]
}
