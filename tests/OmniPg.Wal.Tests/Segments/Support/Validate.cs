namespace OmniPg.Wal.Tests.Segments;

/// <summary>Short forms for validating bytes in memory.</summary>
internal static class Validate
{
    public static WalValidationResult Full(WalFileName name, ReadOnlySpan<byte> bytes, WalExpectations expectations) =>
        At(WalValidation.Full, name, bytes, expectations);

    public static WalValidationResult At(
        WalValidation level, WalFileName name, ReadOnlySpan<byte> bytes, WalExpectations expectations, int bufferSize = 128 * 1024)
    {
        var validator = new WalSegmentValidator(name, level, expectations);
        for (; bytes.Length > 0; bytes = bytes[Math.Min(bufferSize, bytes.Length)..])
            validator.Append(bytes[..Math.Min(bufferSize, bytes.Length)]);
        return validator.Complete();
    }

    /// <summary>The fault that full validation finds, or <see langword="null"/>.</summary>
    public static WalValidationException? Fault(WalFileName name, byte[] bytes, WalExpectations expectations, WalValidation level = WalValidation.Full)
    {
        try
        {
            At(level, name, bytes, expectations);
            return null;
        }
        catch (WalValidationException fault)
        {
            return fault;
        }
    }

    public static byte[] With(this byte[] bytes, Action<byte[]> change)
    {
        var copy = (byte[])bytes.Clone();
        change(copy);
        return copy;
    }
}
