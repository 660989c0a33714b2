// Moves money between accounts on two servers, with a transaction manager (Narayana) and
// XA: each transfer is one version on both, so a reader as of a version that is stable on
// both sees it whole or not at all.
//
//   java Transfer run DIRECTORY URL URL THREADS SECONDS    transfers, for so long
//   java Transfer recover DIRECTORY URL URL                ends what is in doubt
//
// The directory is the transaction manager's log: whoever recovers needs that of who died.

import com.arjuna.ats.arjuna.common.arjPropertyManager;
import com.arjuna.ats.arjuna.common.ObjectStoreEnvironmentBean;
import com.arjuna.ats.arjuna.common.recoveryPropertyManager;
import com.arjuna.ats.arjuna.recovery.RecoveryManager;
import com.arjuna.ats.internal.jta.recovery.arjunacore.JTAActionStatusServiceXAResourceOrphanFilter;
import com.arjuna.ats.internal.jta.recovery.arjunacore.JTANodeNameXAResourceOrphanFilter;
import com.arjuna.ats.internal.jta.recovery.arjunacore.JTATransactionLogXAResourceOrphanFilter;
import com.arjuna.ats.internal.jta.recovery.arjunacore.XARecoveryModule;
import com.arjuna.ats.jta.common.jtaPropertyManager;
import com.arjuna.ats.jta.recovery.XAResourceRecoveryHelper;
import com.arjuna.common.internal.util.propertyservice.BeanPopulator;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.XAConnection;
import javax.transaction.xa.XAException;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.jboss.tm.XAResourceWrapper;
import org.postgresql.xa.PGXADataSource;

public class Transfer {
	static final int ACCOUNTS = 10;
	// Another has got further, or has the account: whoever gets this keeps his connections.
	static final Set<String> AGAIN = Set.of("40001", "55P03");
	static final AtomicInteger done = new AtomicInteger();
	static final AtomicInteger failed = new AtomicInteger();

	// One server: its connection, made anew when it is lost.
	static class Server {
		private final String url;
		private final PGXADataSource source = new PGXADataSource();
		private XAConnection xa;
		private Connection connection;
		private XAResource resource;

		Server(String url) {
			this.url = url;
			source.setUrl(url);
			source.setConnectTimeout(5);
		}

		XAResource resource() throws SQLException {
			if (xa == null) {
				xa = source.getXAConnection();
				connection = xa.getConnection();
				resource = new Named(xa.getXAResource(), url);
			}
			return resource;
		}

		boolean isLost() {
			try {
				return connection == null || !connection.isValid(5);
			} catch (SQLException e) {
				return true;
			}
		}

		void close() {
			try {
				if (xa != null)
					xa.close();
			} catch (SQLException e) {
				// it is lost
			}
			xa = null;
			connection = null;
			resource = null;
		}

		// The only value of a query, with texts and numbers as parameters.
		String ask(String query, Object... parameters) throws SQLException {
			try (PreparedStatement statement = connection.prepareStatement(query)) {
				for (int i = 0; i < parameters.length; i++)
					statement.setObject(i + 1, parameters[i]);
				try (ResultSet result = statement.executeQuery()) {
					result.next();
					return result.getString(1);
				}
			}
		}
	}

	// A resource under the name of its server, as an application server's pool has it. Only so
	// the manager can tell a part that is committed already from one whose server is down.
	record Named(XAResource of, String name) implements XAResourceWrapper {
		public XAResource getResource() { return of; }
		public String getJndiName() { return name; }
		public String getProductName() { return "PostgreSQL"; }
		public String getProductVersion() { return ""; }
		public void start(Xid xid, int flags) throws XAException { of.start(xid, flags); }
		public void end(Xid xid, int flags) throws XAException { of.end(xid, flags); }
		public int prepare(Xid xid) throws XAException { return of.prepare(xid); }
		public void commit(Xid xid, boolean onePhase) throws XAException { of.commit(xid, onePhase); }
		public void rollback(Xid xid) throws XAException { of.rollback(xid); }
		public void forget(Xid xid) throws XAException { of.forget(xid); }
		public Xid[] recover(int flag) throws XAException { return of.recover(flag); }
		public boolean isSameRM(XAResource other) { return this == other; }
		public int getTransactionTimeout() throws XAException { return of.getTransactionTimeout(); }
		public boolean setTransactionTimeout(int seconds) throws XAException { return of.setTransactionTimeout(seconds); }
	}

	// Move an amount from an account of one server to an account of the other.
	static void transfer(TransactionManager manager, Server from, Server to, String payer, String payee, long amount) throws Exception {
		boolean ended = false;
		manager.begin();
		try {
			for (Server server : List.of(from, to))
				manager.getTransaction().enlistResource(server.resource());

			// One version for both: above all that either has handed out.
			long version = 0;
			for (Server server : List.of(from, to)) {
				server.ask("SELECT set_config('lock_timeout', '1s', true)");
				version = Math.max(version, Long.parseLong(server.ask("SELECT mvstore_current_version()")) + 1);
			}
			for (Server server : List.of(from, to))
				server.ask("SELECT mvstore_use_version(?)", version);

			change(from, payer, -amount);
			change(to, payee, amount);
			ended = true;
			manager.commit();
		} finally {
			if (!ended)
				manager.rollback();
		}
	}

	static void change(Server server, String account, long amount) throws SQLException {
		server.ask("SELECT mvstore_lock('balance', ?)", account);
		long balance = Long.parseLong(server.ask("SELECT mvstore_get('balance', ?)", account));
		server.ask("SELECT mvstore_put('balance', ?, ?)", account, Long.toString(balance + amount));
	}

	static void transfers(TransactionManager manager, String[] urls, long end, long seed) {
		Random dice = new Random(seed);
		Server[] servers = {new Server(urls[0]), new Server(urls[1])};

		while (System.currentTimeMillis() < end) {
			int from = dice.nextInt(2);
			try {
				transfer(manager, servers[from], servers[1 - from], "a" + dice.nextInt(ACCOUNTS), "a" + dice.nextInt(ACCOUNTS), 1 + dice.nextInt(100));
				done.incrementAndGet();
			} catch (Exception e) {
				// Another was there before, or a server is down: nothing was moved, or all will be.
				failed.incrementAndGet();
				if (!(e instanceof SQLException refused && AGAIN.contains(refused.getSQLState())))
					for (Server server : servers)
						server.close();
				try {
					Thread.sleep(dice.nextInt(20));
				} catch (InterruptedException i) {
					return;
				}
			}
		}
	}

	static RecoveryManager recovery(String[] urls) {
		RecoveryManager recovery = RecoveryManager.manager(RecoveryManager.DIRECT_MANAGEMENT);
		XARecoveryModule module = null;

		for (var candidate : recovery.getModules())
			if (candidate instanceof XARecoveryModule)
				module = (XARecoveryModule) candidate;
		for (String url : urls) {
			Server server = new Server(url);
			module.addXAResourceRecoveryHelper(new XAResourceRecoveryHelper() {
				public boolean initialise(String p) {
					return true;
				}

				// Asked for several times in a scan: what it got before must stay open.
				public XAResource[] getXAResources() throws Exception {
					if (server.isLost())
						server.close();
					return new XAResource[] {server.resource()};
				}
			});
		}
		return recovery;
	}

	// How many are in doubt, on both servers; a server that is down counts as one.
	static int inDoubt(String[] urls) {
		int count = 0;
		for (String url : urls) {
			Server server = new Server(url);
			try {
				server.resource();
				count += Integer.parseInt(server.ask("SELECT count(*) FROM pg_prepared_xacts"));
			} catch (SQLException e) {
				count++;
			}
			server.close();
		}
		return count;
	}

	// Do so again and again, beside all else.
	static void repeat(Runnable action) {
		Thread thread = new Thread(() -> {
			for (;;) {
				action.run();
				try {
					Thread.sleep(100);
				} catch (InterruptedException e) {
					return;
				}
			}
		});
		thread.setDaemon(true);
		thread.start();
	}

	public static void main(String[] arguments) throws Exception {
		String[] urls = {arguments[2], arguments[3]};

		arjPropertyManager.getCoreEnvironmentBean().setNodeIdentifier("1");
		for (String store : new String[] {"default", "communicationStore", "stateStore"})
			BeanPopulator.getNamedInstance(ObjectStoreEnvironmentBean.class, store.equals("default") ? null : store).setObjectStoreDir(arguments[1]);
		jtaPropertyManager.getJTAEnvironmentBean().setXaRecoveryNodes(List.of("1"));
		jtaPropertyManager.getJTAEnvironmentBean().setXaResourceOrphanFilterClassNames(
			List.of(JTAActionStatusServiceXAResourceOrphanFilter.class.getName(), JTATransactionLogXAResourceOrphanFilter.class.getName(), JTANodeNameXAResourceOrphanFilter.class.getName()));
		jtaPropertyManager.getJTAEnvironmentBean().setOrphanSafetyInterval(1000);
		recoveryPropertyManager.getRecoveryEnvironmentBean().setRecoveryBackoffPeriod(1);
		TransactionManager manager = com.arjuna.ats.jta.TransactionManager.transactionManager();

		RecoveryManager recovery = recovery(urls);

		if (arguments[0].equals("recover")) {
			long end = System.currentTimeMillis() + 120_000;
			int left;
			while ((left = inDoubt(urls)) > 0 && System.currentTimeMillis() < end)
				recovery.scan();
			System.out.println("in doubt: " + left);
			System.exit(left == 0 ? 0 : 1);
		}

		long end = System.currentTimeMillis() + Long.parseLong(arguments[5]) * 1000;
		Thread[] threads = new Thread[Integer.parseInt(arguments[4])];
		for (int i = 0; i < threads.length; i++) {
			long seed = System.nanoTime() + i;
			threads[i] = new Thread(() -> transfers(manager, urls, end, seed));
			threads[i].start();
		}
		// What a server's end has left in doubt holds the locks of its accounts.
		repeat(recovery::scan);
		repeat(() -> System.out.println("transfers: " + done + " failed: " + failed));
		for (Thread thread : threads)
			thread.join();
		System.out.println("transfers: " + done + " failed: " + failed);
		System.exit(0);
	}
}
