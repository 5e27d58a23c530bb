namespace OmniPg.Extractor.Composing;

/// <summary>Feeds the data of entries into a script, in the order in which the archive holds it.</summary>
internal sealed class ScriptData(PgArchive archive, IScript script, bool standardStrings) : IAsyncDisposable
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
        await LargeObjectScript.BeginAsync(script, cancellationToken).ConfigureAwait(false);
        while (_hasCurrent && _blocks!.Current.Entry.DumpId == entry.DumpId)
        {
            await LargeObjectScript.WriteAsync(script, _blocks.Current, standardStrings, cancellationToken).ConfigureAwait(false);
            await MoveAsync().ConfigureAwait(false);
        }
        await LargeObjectScript.EndAsync(script, cancellationToken).ConfigureAwait(false);
    }

    private async Task MoveAsync() => _hasCurrent = await _blocks!.MoveNextAsync().ConfigureAwait(false);
}
