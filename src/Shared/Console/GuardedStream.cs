namespace OmniPg.Shared;

/// <summary>Standard output or standard error, opened at the first write, whose failures are decided here once for the whole program.</summary>
internal sealed class GuardedStream : WriteOnlyStream
{
    private readonly Lazy<Stream> _stream;
    private readonly bool _isMessages;
    private Exception? _lost;

    private GuardedStream(int descriptor, Func<Stream> open, bool isMessages) => (_stream, _isMessages) = (
        new Lazy<Stream>(() => StandardDescriptors.IsGiven(descriptor) ? open() : throw new IOException("It is closed.")), isMessages);

    /// <summary>Results. What cannot be written is an <see cref="OutputLostException"/>, because it was what the user asked for.</summary>
    public static GuardedStream Results() => new(StandardDescriptors.Output, Console.OpenStandardOutput, isMessages: false);

    /// <summary>Messages. What cannot be written is dropped, with all that follows: a report must not decide how the work ends.</summary>
    public static GuardedStream Messages() => new(StandardDescriptors.Error, Console.OpenStandardError, isMessages: true);

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            if (_lost is null && !buffer.IsEmpty)
                _stream.Value.Write(buffer);
        }
        catch (Exception refused)
        {
            _lost = refused;
        }

        if (_lost is not null && !_isMessages)
            throw new OutputLostException(_lost);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }
}

/// <summary>Standard output took not all of the results.</summary>
internal sealed class OutputLostException(Exception inner) : IOException($"Standard output cannot be written: {inner.Message}", inner);
