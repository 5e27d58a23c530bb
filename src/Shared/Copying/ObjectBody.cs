namespace OmniPg.Shared;

/// <summary>The body of an object while it is read. Whatever its client throws, of whichever type, is an <see cref="IOException"/> that names the object; cancellation stays what it is.</summary>
/// <param name="body">The client's stream; disposed with this one.</param>
/// <param name="what">What could not be done when it breaks: <c>Cannot read 'KEY' of 'STORE'</c>.</param>
internal sealed class ObjectBody(Stream body, string what) : ReadOnlyStream
{
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return body.Read(buffer);
        }
        catch (Exception broken)
        {
            throw Broken(broken);
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception broken) when (!cancellationToken.IsCancellationRequested)
        {
            throw Broken(broken);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await body.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            body.Dispose();
        base.Dispose(disposing);
    }

    private IOException Broken(Exception error) => new($"{what}: its body broke off: {error.Message}", error);
}
