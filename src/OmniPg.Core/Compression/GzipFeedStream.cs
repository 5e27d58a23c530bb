namespace OmniPg;

/// <summary>How far <see cref="System.IO.Compression.GZipStream"/> has asked for bytes.</summary>
internal enum GzipFeedState
{
    Reading,
    EndOffered,
    EndPassed,
}

/// <summary>Adds one zero byte behind the end of a gzip file.</summary>
/// <remarks>
/// <see cref="System.IO.Compression.GZipStream"/> looks for another member after the end of one, finds that a zero byte starts none and stops.
/// Inside an unfinished member it swallows the byte and asks again, which tells the truncated file; when it never asks for the byte,
/// it stopped before the end and bytes follow that do not belong to the file.
/// </remarks>
internal sealed class GzipFeedStream(Stream source, bool leaveOpen) : ReadOnlyStream
{
    public GzipFeedState State { get; private set; }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
            return 0;
        var count = State == GzipFeedState.Reading ? source.Read(buffer) : 0;
        return count > 0 ? count : OfferEnd(buffer);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
            return 0;
        var count = State == GzipFeedState.Reading ? await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) : 0;
        return count > 0 ? count : OfferEnd(buffer.Span);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !leaveOpen)
            source.Dispose();
        base.Dispose(disposing);
    }

    private int OfferEnd(Span<byte> buffer)
    {
        State = State == GzipFeedState.Reading ? GzipFeedState.EndOffered : GzipFeedState.EndPassed;
        if (State == GzipFeedState.EndPassed)
            return 0;
        buffer[0] = 0;
        return 1;
    }
}
