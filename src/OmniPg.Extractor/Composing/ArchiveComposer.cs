using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>Walks an archive in the three passes of pg_restore and writes the script.</summary>
internal sealed class ArchiveComposer
{
    private const int FlushChars = 64 * 1024;
    private readonly PgArchive _archive;
    private readonly ComposeOptions _options;
    private readonly IScript _script;
    private readonly EntrySelection _selection;
    private readonly EntrySqlWriter _writer;
    private readonly StringBuilder _sql = new();
    private readonly bool _rewrites;

    public ArchiveComposer(PgArchive archive, ComposeOptions options, IScript script)
    {
        _archive = archive;
        _options = options;
        _script = script;
        _rewrites = !archive.Session.StandardConformingStrings && options.TargetMajor >= ScriptPrologue.KnowsOnlyOn;
        _selection = new EntrySelection(options);
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
}
