using System.Buffers.Text;
using System.Collections.Immutable;

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
        private EntryParser? _entryParser;
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
            _entryParser = new EntryParser(_header!, _decoder);
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

    /// <summary>Reads one entry of the table of contents: first every field as bytes, then, when all are there, as values.</summary>
    private sealed class EntryParser(ArchiveHeader header, TextDecoder decoder)
    {
        private readonly ImmutableArray<int>.Builder _dependencies = ImmutableArray.CreateBuilder<int>();

        /// <summary>The entry, or null when more bytes are needed.</summary>
        public TocEntry? Parse(ref ArchiveCursor cursor, int index)
        {
            var fields = new Fields();
            fields.Read(ref cursor, header);
            if (cursor.IsIncomplete || !ReadDependencies(ref cursor, index))
                return null;
            var location = ReadLocation(ref cursor, index);
            return cursor.IsIncomplete ? null : Build(ref fields, location, index);
        }

        private TocEntry Build(ref Fields fields, TocEntry.DataLocation location, int index)
        {
            if (fields.DumpId <= 0)
                throw new ArchiveFormatException(new ArchiveLocation(fields.Start, index, "dumpId"), $"the id '{fields.DumpId}' is not positive");
            var desc = decoder.DecodeShared(fields.Desc, "desc", index) ?? "";
            var tag = decoder.Decode(fields.Tag, "tag", index);
            var kind = TocKinds.Of(desc);
            var section = fields.Section is >= (int)TocSection.None and <= (int)TocSection.PostData
                ? (TocSection)fields.Section
                : throw new ArchiveFormatException(new ArchiveLocation(fields.Start, index, "section"), $"the section code '{fields.Section}' is not between '1' and '4'");
            return new TocEntry
            {
                Index = index,
                DumpId = fields.DumpId,
                Kind = kind,
                Desc = desc,
                Tag = tag,
                Namespace = decoder.DecodeShared(fields.Namespace, "namespace", index),
                Owner = decoder.DecodeShared(fields.Owner, "owner", index),
                Section = section,
                Pass = TocKinds.PassOf(kind, tag, section),
                Definition = decoder.Decode(fields.Definition, "defn", index),
                DropStatement = decoder.Decode(fields.DropStatement, "dropStmt", index),
                CopyStatement = decoder.Decode(fields.CopyStatement, "copyStmt", index),
                Tablespace = decoder.DecodeShared(fields.Tablespace, "tablespace", index),
                TableAm = decoder.DecodeShared(fields.TableAm, "tableam", index),
                RelKind = (char)(fields.RelKind & 0x7F),
                Dependencies = _dependencies.ToImmutable(),
                HasData = fields.HadDumper != 0,
                CatalogTableOid = Oid(fields.CatalogTableOid, "tableoid", index),
                CatalogOid = Oid(fields.CatalogOid, "oid", index),
                HasOids = fields.WithOids.Bytes.SequenceEqual("true"u8),
                Data = location,
            };
        }

        private bool ReadDependencies(ref ArchiveCursor cursor, int index)
        {
            _dependencies.Clear();
            while (cursor.Text("dependencies") is { IsNull: false } text)
            {
                if (!Utf8Parser.TryParse(text.Bytes, out int id, out var used) || used != text.Bytes.Length)
                    throw new ArchiveFormatException(new ArchiveLocation(text.Offset, index, "dependencies"), "the dependency is not a number");
                _dependencies.Add(id);
            }
            return !cursor.IsIncomplete;
        }

        private TocEntry.DataLocation ReadLocation(ref ArchiveCursor cursor, int index)
        {
            if (header.Format == ArchiveFormat.Custom)
                return new TocEntry.DataLocation(cursor.DataPosition("data offset"), null);
            var name = cursor.Text("file name");
            if (name.IsNull || name.Bytes.IsEmpty || cursor.IsIncomplete)
                return TocEntry.DataLocation.Unknown;
            return new TocEntry.DataLocation(0, DirectoryFile.CheckName(decoder.Decode(name, "file name", index)!, new ArchiveLocation(name.Offset, index, "file name")));
        }

        private static uint Oid(ArchiveText text, string field, int index)
        {
            if (text.IsNull || text.Bytes.IsEmpty)
                return 0;
            return Utf8Parser.TryParse(text.Bytes, out uint oid, out var used) && used == text.Bytes.Length
                ? oid
                : throw new ArchiveFormatException(new ArchiveLocation(text.Offset, index, field), "the OID is not a number");
        }

        /// <summary>The fields of an entry as they stand in the archive, in their order (ReadToc in pg_backup_archiver.c).</summary>
        private ref struct Fields
        {
            public long Start;
            public int DumpId;
            public int HadDumper;
            public ArchiveText CatalogTableOid;
            public ArchiveText CatalogOid;
            public ArchiveText Tag;
            public ArchiveText Desc;
            public int Section;
            public ArchiveText Definition;
            public ArchiveText DropStatement;
            public ArchiveText CopyStatement;
            public ArchiveText Namespace;
            public ArchiveText Tablespace;
            public ArchiveText TableAm;
            public int RelKind;
            public ArchiveText Owner;
            public ArchiveText WithOids;

            public void Read(ref ArchiveCursor cursor, ArchiveHeader header)
            {
                Start = cursor.At("dumpId").Offset;
                DumpId = cursor.Int32("dumpId");
                HadDumper = cursor.Int32("hadDumper");
                CatalogTableOid = cursor.Text("tableoid");
                CatalogOid = cursor.Text("oid");
                Tag = cursor.Text("tag");
                Desc = cursor.Text("desc");
                Section = cursor.Int32("section");
                Definition = cursor.Text("defn");
                DropStatement = cursor.Text("dropStmt");
                CopyStatement = cursor.Text("copyStmt");
                Namespace = cursor.Text("namespace");
                Tablespace = cursor.Text("tablespace");
                TableAm = header.Version.HasTableAccessMethod ? cursor.Text("tableam") : new ArchiveText([], isNull: true, 0);
                RelKind = header.Version.HasRelationKind ? cursor.Int32("relkind") : 0;
                Owner = cursor.Text("owner");
                WithOids = cursor.Text("withOids");
            }
        }
    }
}
