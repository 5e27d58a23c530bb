namespace OmniPg.Wal;

/// <summary>Decoded content of the few kinds of record that recovery decisions depend on. Match on the derived type.</summary>
public abstract record WalRecordDetail
{
    private protected WalRecordDetail()
    {
    }
}
