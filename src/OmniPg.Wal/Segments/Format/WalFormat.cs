namespace OmniPg.Wal;

/// <summary>What is the same in the WAL of every version; what differs is in <see cref="Shared.PgMajor"/>.</summary>
internal static class WalFormat
{
    public const int PageSize = 8192;
    public const int Alignment = 8;
    public const int MaxRecordLength = 1 << 30;

    public static ulong Align(ulong position) => (position + (Alignment - 1)) & ~(ulong)(Alignment - 1);

    public static int Align(int length) => (length + (Alignment - 1)) & ~(Alignment - 1);
}
