package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Conn is the part of a ClickHouse connection that a question needs.
type Conn interface {
	Query(ctx context.Context, query string, args ...any) (driver.Rows, error)
}

// ErrParameters means that a parameter is missing, unknown or not of its type.
var ErrParameters = errors.New("parameters")

// ErrTruncated means that an answer has more than RowsMax rows; those that
// come with it are the first.
var ErrTruncated = errors.New("the answer has more rows")

// codeBadParameter is ClickHouse's BAD_QUERY_PARAMETER.
const codeBadParameter = 457

// Run asks a question and returns its columns and rows, values in Go's own
// types. The error wraps [ErrUnknown], [ErrParameters] or [ErrTruncated], or
// is ClickHouse's.
func Run(ctx context.Context, conn Conn, name string, params map[string]string) (columns []string, rows [][]any, err error) {
	q, err := Find(name)
	if err != nil {
		return nil, nil, err
	}
	values, err := q.bind(params)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrParameters, err)
	}
	args := make([]any, 0, len(values))
	for _, name := range sortedKeys(values) {
		args = append(args, clickhouse.Named(name, values[name]))
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_execution_time": SecondsMax, "max_result_rows": RowsMax + 1, "result_overflow_mode": "break",
	}))
	answer, err := conn.Query(ctx, q.SQL, args...)
	if err != nil {
		return nil, nil, refused(name, err)
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	for _, c := range q.Columns {
		columns = append(columns, c.Name)
	}
	for answer.Next() {
		if len(rows) == RowsMax {
			return columns, rows, fmt.Errorf("question %s: %w than %d", name, ErrTruncated, RowsMax)
		}
		row, err := scan(answer)
		if err != nil {
			return nil, nil, fmt.Errorf("question %s: %w", name, err)
		}
		rows = append(rows, row)
	}
	err = answer.Err()
	if err != nil {
		return nil, nil, refused(name, err)
	}
	return columns, rows, nil
}

// refused tells a parameter that the server cannot read from other faults.
func refused(name string, err error) error {
	var e *clickhouse.Exception
	if errors.As(err, &e) && e.Code == codeBadParameter {
		return fmt.Errorf("question %s: %w: %w", name, ErrParameters, err)
	}
	return fmt.Errorf("question %s: %w", name, err)
}

// scan reads one row into values of the driver's own choice, nil for NULL.
func scan(answer driver.Rows) ([]any, error) {
	types := answer.ColumnTypes()
	targets := make([]any, len(types))
	for i, t := range types {
		targets[i] = reflect.New(t.ScanType()).Interface()
	}
	err := answer.Scan(targets...)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	row := make([]any, len(targets))
	for i, target := range targets {
		v := reflect.ValueOf(target).Elem()
		if v.Kind() == reflect.Pointer { // A nullable column.
			if v.IsNil() {
				continue
			}
			v = v.Elem()
		}
		row[i] = v.Interface()
	}
	return row, nil
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
