package trees

// Limits of a model file. A file beyond them is refused when it is loaded, so
// that a running analyzer never holds a model that it cannot afford to score.
const (
	// FileBytesMax bounds a file. Both libraries write about 120 B per leaf, so
	// it is 4,000 trees of 127 leaves. The reader of the file must not read more.
	FileBytesMax = 64 << 20
	// TreesMax bounds the trees of a model; the walk through each costs about
	// 40 ns for every request.
	TreesMax = 10_000
	// NodesMax bounds the splits and leaves of all trees together, 32 B each.
	NodesMax = 2 << 20
	// LeavesMax bounds the leaves of one tree; it is LightGBM's own limit.
	LeavesMax = 131_072
	// DepthMax bounds the splits on the way from a root to a leaf.
	DepthMax = 512
	// FeaturesMax bounds the features of a model.
	FeaturesMax = 4096
	// NameBytesMax bounds the name of a feature.
	NameBytesMax = 256
	// namesBytesMax bounds the list of all names in an XGBoost file.
	namesBytesMax = FeaturesMax * (NameBytesMax + 4)
	// CategoryMax is the largest code of a category; a split's set is a bitset
	// of at most that many bits, 8 KiB.
	CategoryMax = 65_535
	// CategoryWordsMax bounds the 32-bit words of all sets together: 16 MiB.
	CategoryWordsMax = 4 << 20
	// LeafMax bounds the size of a leaf's output, so that no sum of TreesMax
	// leaves overflows in single precision: a score is always a finite number.
	LeafMax = 1e30

	// quotedBytesMax is how much of a file an error quotes.
	quotedBytesMax = 60
	// faultsMax is how many features that are not offered an error names.
	faultsMax = 20
)

const (
	// fieldsMax bounds the lines of a section of a LightGBM file; they have about 20.
	fieldsMax = 256
	// slopeMax bounds LightGBM's sigmoid parameter, which is 1 by default.
	slopeMax = 1e6
)
