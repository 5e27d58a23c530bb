using System.Text;

namespace OmniPg.Extractor;

/// <summary>Walks an archive in the three passes of pg_restore and writes the script.</summary>
internal sealed class ArchiveComposer
{
    private const int FlushChars = 64 * 1024;
    private readonly PgArchive _archive;
    private readonly ComposeOptions _options;
    private readonly IScript _script;
    private readonly Selection _selection;
    private readonly EntrySqlWriter _writer;
    private readonly StringBuilder _sql = new();
    private readonly bool _rewrites;

    public ArchiveComposer(PgArchive archive, ComposeOptions options, IScript script)
    {
        _archive = archive;
        _options = options;
        _script = script;
        _rewrites = !archive.Session.StandardConformingStrings && options.TargetMajor >= ScriptPrologue.KnowsOnlyOn;
        _selection = new Selection(options);
        _writer = new EntrySqlWriter(options, archive.Header.DumpVersion, archive.FindEntry, archive.Session.SearchPathStatement is null);
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        ScriptPrologue.AppendTitle(_sql, _archive.Header);
        if (_rewrites)
            RefuseEscapedRows();
        ScriptPrologue.AppendSettings(_sql, _archive.Header, _archive.Session, _options.TargetMajor);
        if (_options.Clean)
            AppendDrops();
        var data = new ScriptData(_archive, _script, _rewrites || _archive.Session.StandardConformingStrings);
        await using (data.ConfigureAwait(false))
        {
            foreach (var pass in Enum.GetValues<TocPass>())
                await WritePassAsync(pass, data, cancellationToken).ConfigureAwait(false);
        }
        ScriptPrologue.AppendEnd(_sql);
        await WriteOutAsync(0, cancellationToken).ConfigureAwait(false);
        await _script.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private void RefuseEscapedRows()
    {
        if (_archive.Entries.FirstOrDefault(entry => entry.HasData && entry.Kind == TocKind.TableData && string.IsNullOrEmpty(entry.CopyStatement) && _selection.WantsData(entry)) is { } rows)
            throw new ExtractorOptionException("TargetMajor",
                $"The rows of '{rows.Namespace}.{rows.Tag}' are INSERT statements written with standard_conforming_strings off; PostgreSQL {_options.TargetMajor} knows on only.",
                "Dump the rows as COPY, or compose the definitions only.");
    }

    private void AppendDrops()
    {
        for (var i = _archive.Entries.Count - 1; i >= 0; i--)
        {
            var entry = _archive.Entries[i];
            if (_selection.WantsDefinition(entry) || _selection.WantsData(entry))
                _writer.AppendDrop(_sql, entry);
        }
        _writer.ForgetSearchPath();
    }

    private async Task WritePassAsync(TocPass pass, ScriptData data, CancellationToken cancellationToken)
    {
        foreach (var entry in _archive.Entries)
        {
            if (entry.Pass != pass)
                continue;
            cancellationToken.ThrowIfCancellationRequested();
            var wantsData = _selection.WantsData(entry);
            if (_selection.WantsDefinition(entry) || (wantsData && !entry.HasData))
                _writer.AppendDefinition(_sql, _rewrites && entry.Definition is { } text ? entry with { Definition = StandardStrings.Conforming(text) } : entry);
            if (wantsData && entry.HasData)
            {
                _writer.AppendDataHead(_sql, entry);
                await WriteOutAsync(0, cancellationToken).ConfigureAwait(false);
                await data.WriteAsync(entry, cancellationToken).ConfigureAwait(false);
            }
            await WriteOutAsync(FlushChars, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask WriteOutAsync(int threshold, CancellationToken cancellationToken)
    {
        if (_sql.Length <= threshold)
            return;
        await _script.WriteAsync(_sql, cancellationToken).ConfigureAwait(false);
        _sql.Clear();
    }

    /// <summary>Which parts of an entry go into a script (_tocEntryRequired in pg_backup_archiver.c).</summary>
    private sealed class Selection(ComposeOptions options)
    {
        private const string LargeObjectPrefix = "LARGE OBJECT";

        public bool WantsDefinition(TocEntry entry) => IsWanted(entry) && !options.DataOnly && HasDefinition(entry) && !IsDataOnly(entry);

        public bool WantsData(TocEntry entry) => IsWanted(entry) && !options.SchemaOnly && (entry.HasData || IsDataOnly(entry));

        private bool IsWanted(TocEntry entry)
        {
            switch (entry.Kind)
            {
                case TocKind.Encoding or TocKind.StandardStrings or TocKind.SearchPath or TocKind.Database or TocKind.DatabaseProperties:
                    return false;
                case TocKind.Acl or TocKind.AclLanguage or TocKind.DefaultAcl when options.NoPrivileges:
                    return false;
                case TocKind.Comment when options.NoComments:
                    return false;
                // Properties of the database belong to its creation.
                case TocKind.Acl or TocKind.Comment or TocKind.SecurityLabel when entry.Tag?.StartsWith("DATABASE ", StringComparison.Ordinal) == true:
                    return false;
                default:
                    return options.Include?.Invoke(entry) != false;
            }
        }

        private static bool HasDefinition(TocEntry entry) =>
            !string.IsNullOrEmpty(entry.Definition) && !entry.Definition.StartsWith("-- load via partition root ", StringComparison.Ordinal);

        // Entries without a data block whose statement belongs to the data: sequence values and all about large objects.
        private static bool IsDataOnly(TocEntry entry) => !entry.HasData && entry.Kind switch
        {
            TocKind.SequenceSet or TocKind.Blob or TocKind.BlobMetadata => true,
            TocKind.Acl or TocKind.Comment or TocKind.SecurityLabel => entry.Tag?.StartsWith(LargeObjectPrefix, StringComparison.Ordinal) == true,
            _ => false,
        };
    }

    /// <summary>Feeds the data of entries into a script, in the order in which the archive holds it.</summary>
    private sealed class ScriptData(PgArchive archive, IScript script, bool standardStrings) : IAsyncDisposable
    {
        private IAsyncEnumerator<ArchiveDataBlock>? _blocks;
        private bool _hasCurrent;

        public async Task WriteAsync(TocEntry entry, CancellationToken cancellationToken)
        {
            if (_blocks is null)
            {
                _blocks = archive.ReadDataAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
                await MoveAsync().ConfigureAwait(false);
            }
            while (_hasCurrent && _blocks.Current.Entry.Index < entry.Index)
                await MoveAsync().ConfigureAwait(false);
            if (entry.Kind == TocKind.Blobs)
                await WriteLargeObjectsAsync(entry, cancellationToken).ConfigureAwait(false);
            else
                await WriteBlockAsync(entry, cancellationToken).ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            if (_blocks is not null)
                await _blocks.DisposeAsync().ConfigureAwait(false);
        }

        private async Task WriteBlockAsync(TocEntry entry, CancellationToken cancellationToken)
        {
            if (!_hasCurrent || _blocks!.Current.Entry.DumpId != entry.DumpId)
                throw new ArchiveFormatException(new ArchiveLocation(0, entry.Index, "data"), $"the data of entry '{entry.DumpId}' ('{entry.Tag}') is missing or out of order");
            var content = _blocks.Current.OpenRead();
            await using (content.ConfigureAwait(false))
                await script.WriteDataAsync(content, cancellationToken).ConfigureAwait(false);
            await MoveAsync().ConfigureAwait(false);
        }

        private async Task WriteLargeObjectsAsync(TocEntry entry, CancellationToken cancellationToken)
        {
            await LargeObjectSql.BeginAsync(script, cancellationToken).ConfigureAwait(false);
            while (_hasCurrent && _blocks!.Current.Entry.DumpId == entry.DumpId)
            {
                await LargeObjectSql.WriteAsync(script, _blocks.Current, standardStrings, cancellationToken).ConfigureAwait(false);
                await MoveAsync().ConfigureAwait(false);
            }
            await LargeObjectSql.EndAsync(script, cancellationToken).ConfigureAwait(false);
        }

        private async Task MoveAsync() => _hasCurrent = await _blocks!.MoveNextAsync().ConfigureAwait(false);
    }
}
