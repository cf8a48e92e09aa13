// Package trees scores with tree ensembles that a user has trained: gradient
// boosting and random forests of LightGBM and XGBoost, read from the files that
// these libraries save, and evaluated here.
//
//	model.txt  --ParseLightGBM--\
//	                             Ensemble --Bind(columns)--> Bound --row--> Score, contributions
//	model.json --ParseXGBoost---/
//
// # Contract
//
// Margin and response are those of the library to 1e-6, relative above 1: every
// split decides as the library's own predict does, the leaves are summed in its
// order and in its precision. What is not read is refused when it is loaded,
// never approximated: several outputs, other objectives, linear leaves, other
// versions. The error says what, where (line or JSON path) and what to do. It was
// compared with LightGBM 3.3.5 and 4.7.0 and XGBoost 1.7.6, 2.1.4 and 3.2.0.
//
// A file is foreign input. Whatever its bytes, parsing ends with an error or
// with a model that scores every row to a finite number in at most TreesMax ×
// DepthMax steps; the limits are in limits.go. Parsing keeps no reference to
// the file and changes nothing else, so a caller that loads anew keeps its
// running model until Parse and Bind have both returned without error.
//
// # Wiring
//
// Vigil trains nothing here. The model file of scorer/model names an ensemble's
// file and the features it may see; the process reads the file (at most
// FileBytesMax), parses it, and binds it to the names of the row that the
// evidence fills for each event, once. Per event: fill the row, NaN where a
// fact is missing, then Score. A margin is not evidence: scorer/calibrate maps
// it to nats on quarantined or labelled history, and only that goes into the
// sum. Explain and Reasons are for events whose evidence is told to a person.
// [Ensemble.Digest] belongs into the digest of the model, so that a verdict
// names the trees that it came from.
//
// # Concurrency
//
// Ensemble and Bound are immutable and safe for concurrent use.
//
// # Non-obvious
//
// XGBoost compares and sums in single precision: 0.1 in a row and 0.1 in a
// split are equal there only after rounding. The rounding is built into the
// thresholds at load; see belowSingle.
//
// A missing value goes where the split's default says only if training saw one
// missing there. Else LightGBM takes it for zero.
//
// LightGBM sends the categories of a set left, XGBoost right. A negative
// category is no category, but LightGBM cuts to whole numbers first, so there
// -0.5 is category 0. Categories are integer codes: strings that pandas coded
// by itself are refused, because the row would have to be coded likewise.
//
// NaN and Infinity are no JSON, but XGBoost 2 writes them: see standard.
//
// Both libraries can stop early, but only LightGBM leaves out the trees after
// the best iteration when it saves. XGBoost's native predict scores with them
// all, and so does this package; slice the booster before you save it to have
// fewer.
//
// XGBoost keeps pruned nodes in its files; only what the root reaches counts.
package trees
