namespace OmniPg.Wal;

/// <summary>One way to check the bytes of a file: binary segment, text, or not at all.</summary>
internal interface IWalContentCheck
{
    void Append(ReadOnlySpan<byte> bytes);

    WalValidationResult Complete();
}
