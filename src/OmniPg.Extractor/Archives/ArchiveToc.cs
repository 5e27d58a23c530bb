namespace OmniPg.Extractor;

/// <summary>Header, session state and entries: all there is before the data.</summary>
internal sealed record ArchiveToc(ArchiveHeader Header, ArchiveSession Session, TocEntry[] Entries, IReadOnlyDictionary<int, TocEntry> ById)
{
    public static ArchiveToc Read(ArchiveInput input, PgArchiveOptions options, bool isDirectory)
    {
        var parser = new Parser(options, isDirectory);
        while (!parser.IsComplete)
        {
            if (!parser.TryStep(input) && !input.Fill(parser.Missing))
                throw parser.Truncated(input);
        }
        return Finish(parser, input);
    }

    public static async Task<ArchiveToc> ReadAsync(ArchiveInput input, PgArchiveOptions options, bool isDirectory, CancellationToken cancellationToken)
    {
        var parser = new Parser(options, isDirectory);
        while (!parser.IsComplete)
        {
            if (!parser.TryStep(input) && !await input.FillAsync(parser.Missing, cancellationToken).ConfigureAwait(false))
                throw parser.Truncated(input);
        }
        return Finish(parser, input);
    }

    private static ArchiveToc Finish(Parser parser, ArchiveInput input)
    {
        input.Shrink();
        return new ArchiveToc(parser.Header, parser.Session, parser.Entries, parser.ById);
    }

    /// <summary>Reads header and table of contents step by step from whatever has arrived.</summary>
    private sealed class Parser(PgArchiveOptions options, bool isDirectory)
    {
        private readonly TextDecoder _decoder = new();
        private readonly List<TocEntry> _entries = [];
        private readonly Dictionary<int, TocEntry> _byId = [];
        private TocEntryParser? _entryParser;
        private ArchiveHeader? _header;
        private int _count = -1;
        private string _missingField = "magic";

        public bool IsComplete => _count == _entries.Count;

        /// <summary>How many bytes more the next step needs at least.</summary>
        public int Missing { get; private set; }

        public ArchiveHeader Header => _header!;

        public ArchiveSession Session { get; private set; } = new();

        public TocEntry[] Entries => [.. _entries];

        public IReadOnlyDictionary<int, TocEntry> ById => _byId;

        /// <summary>Takes one step; false when more bytes are needed first.</summary>
        public bool TryStep(ArchiveInput input)
        {
            var cursor = new ArchiveCursor(input.Available, input.Position, _count < 0 ? null : _entries.Count)
            {
                MaxTextBytes = options.MaxTextBytes,
            };
            var isParsed = TryParse(ref cursor);
            if (input.Position + (isParsed ? cursor.Position : input.Available.Length) > options.MaxTocBytes)
                throw new ArchiveFormatException(cursor.At("entries"), $"the table of contents is larger than the limit of '{options.MaxTocBytes}' bytes");
            if (isParsed)
            {
                input.Advance(cursor.Position);
                return true;
            }
            Missing = cursor.Missing;
            _missingField = cursor.MissingField;
            return false;
        }

        public ArchiveFormatException Truncated(ArchiveInput input) =>
            new(
                new ArchiveLocation(input.Position + input.Available.Length, _count < 0 ? null : _entries.Count, _missingField),
                $"the archive ends where '{Missing}' more bytes are needed");

        private bool TryParse(ref ArchiveCursor cursor)
        {
            if (_header is null)
            {
                _header = ArchiveHeader.Read(ref cursor, isDirectory);
                return _header is not null;
            }
            cursor.Numbers = new ArchiveNumbers(_header.IntegerSize, _header.OffsetSize);
            return _count < 0 ? TryParseCount(ref cursor) : TryParseEntry(ref cursor);
        }

        private bool TryParseCount(ref ArchiveCursor cursor)
        {
            var at = cursor.At("entry count");
            var count = cursor.Int32("entry count");
            if (cursor.IsIncomplete)
                return false;
            if (count < 0 || count > options.MaxEntries)
                throw new ArchiveFormatException(at, $"the entry count '{count}' is not between '0' and the limit of '{options.MaxEntries}'");
            _count = count;
            _entryParser = new TocEntryParser(_header!, _decoder);
            return true;
        }

        private bool TryParseEntry(ref ArchiveCursor cursor)
        {
            var at = cursor.At("dumpId");
            if (_entryParser!.Parse(ref cursor, _entries.Count) is not { } entry)
                return false;
            if (!_byId.TryAdd(entry.DumpId, entry))
                throw new ArchiveFormatException(at, $"the id '{entry.DumpId}' occurs twice");
            Session = Session.After(entry, at);
            _decoder.Encoding = Session.Encoding;
            _entries.Add(entry);
            return true;
        }
    }
}
