namespace OmniPg.Wal;

/// <summary>What a store can do beyond writing.</summary>
[Flags]
public enum WalStoreCapabilities
{
    /// <summary>It only takes objects, such as a program that is fed by a pipe.</summary>
    None = 0,

    /// <summary><see cref="IWalStore.ListAsync"/> works.</summary>
    Listable = 1,

    /// <summary><see cref="IWalStore.OpenReadAsync"/> and <see cref="IWalStore.StatAsync"/> work.</summary>
    Readable = 2,

    /// <summary><see cref="IWalStoreWriter.CommitAsync"/> finds a taken key by itself, even when two writers race.</summary>
    ConditionalCreate = 4,

    /// <summary><see cref="IWalStore.DeleteAsync"/> works.</summary>
    Deletable = 8,
}
