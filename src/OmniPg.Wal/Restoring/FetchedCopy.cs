namespace OmniPg.Wal;

/// <summary>A valid copy under its temporary name, ready to be published.</summary>
internal sealed record FetchedCopy(RestoreTarget Target, IObjectStore Store, string Key, WalSegmentSummary Summary) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Target.DisposeAsync();
}
