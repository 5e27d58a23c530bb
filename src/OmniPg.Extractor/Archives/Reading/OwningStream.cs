using OmniPg.IO;

namespace OmniPg.Extractor.Archives.Reading;

/// <summary>A stream that disposes what it reads from together with itself.</summary>
internal sealed class OwningStream(Stream content, IDisposable owned) : ReadOnlyStream
{
    public override int Read(Span<byte> buffer) => content.Read(buffer);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        content.ReadAsync(buffer, cancellationToken);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.Dispose();
            owned.Dispose();
        }
        base.Dispose(disposing);
    }
}
