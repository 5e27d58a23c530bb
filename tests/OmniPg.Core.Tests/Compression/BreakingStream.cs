namespace OmniPg.Core.Tests.Compression;

/// <summary>A sink that takes a number of bytes and then fails, like a full disk.</summary>
internal sealed class BreakingStream(int breakAfter) : Stream
{
    public int Accepted { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(byte[] buffer, int offset, int count)
    {
        if (Accepted + count > breakAfter)
            throw new IOException("No space left on device");
        Accepted += count;
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
