using System.Runtime.InteropServices;

namespace OmniPg.Cli;

/// <summary>Standard output or standard error as bytes, unbuffered; a write to a closed pipe throws.</summary>
/// <remarks>
/// The console's own stream drops what it cannot write to a closed pipe, so a program behind it would run on for ever where
/// <c>… | head</c> should end it. A file stream keeps an offset of its own and overwrites what others append to the same file.
/// </remarks>
internal sealed partial class StandardOutput : WriteOnlyStream
{
    private const int Interrupted = 4;
    private const int TryAgain = 11;

    private readonly int _descriptor;

    private StandardOutput(int descriptor) => _descriptor = descriptor;

    public static Stream Output() => OperatingSystem.IsWindows() ? Console.OpenStandardOutput() : new StandardOutput(1);

    public static Stream Error() => OperatingSystem.IsWindows() ? Console.OpenStandardError() : new StandardOutput(2);

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var written = WriteTo(_descriptor, buffer, buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }
            var error = Marshal.GetLastPInvokeError();
            // Whoever shares the descriptor may have made it non-blocking; it is not ours to change back.
            if (error == TryAgain || (OperatingSystem.IsMacOS() && error == 35))
                Thread.Yield();
            else if (error != Interrupted)
                throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteTo(int descriptor, ReadOnlySpan<byte> buffer, nint count);
}
